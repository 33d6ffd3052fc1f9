<?php
// SPDX-License-Identifier: Apache-2.0
// An ordinary day of Horde's IMAP library (webmail, Nextcloud Mail). Arguments: port, "ssl" or "tls",
// user, password, another user. Prints "all well" at the end.
spl_autoload_register(function (string $class): void {
    $file = '/usr/share/php/' . strtr($class, '_\\', '//') . '.php';
    if (is_file($file)) {
        require_once $file;
    }
});

[, $port, $secure, $user, $password, $other] = $argv;
error_reporting(E_ALL & ~E_DEPRECATED & ~E_NOTICE & ~E_WARNING);

function same($got, $wanted, string $what): void
{
    if ($got != $wanted) {
        echo "$what: got ", json_encode($got), ", wanted ", json_encode($wanted), "\n";
        debug_print_backtrace(DEBUG_BACKTRACE_IGNORE_ARGS);
        exit(1);
    }
}

function client(string $user): Horde_Imap_Client_Socket
{
    global $port, $secure, $password;
    $c = new Horde_Imap_Client_Socket([
        'username' => $user, 'password' => $password, 'hostspec' => 'localhost', 'port' => (int)$port,
        'secure' => $secure, 'timeout' => 20, 'debug' => getenv('HORDE_DEBUG') ?: '',
        'context' => ['ssl' => ['verify_peer' => false, 'verify_peer_name' => false]],
    ]);
    $c->login();
    return $c;
}

function message(int $n): string
{
    return "From: Horde $n <horde$n@example.org>\r\nTo: you@example.com\r\nSubject: horde subject $n\r\n"
        . "Message-ID: <horde$n@example.org>\r\nDate: Mon, 1 Mar 2021 10:0$n:00 +0000\r\n"
        . ($n > 1 ? "References: <horde1@example.org>\r\n" : '')
        . "MIME-Version: 1.0\r\nContent-Type: multipart/mixed; boundary=b\r\n\r\n"
        . "--b\r\nContent-Type: text/plain; charset=utf-8\r\n\r\nhello $n\r\n"
        . "--b\r\nContent-Type: application/octet-stream; name=a.bin\r\n"
        . "Content-Disposition: attachment; filename=a.bin\r\n"
        . "Content-Transfer-Encoding: base64\r\n\r\naGVsbG8=\r\n--b--\r\n";
}

function ids(array $uids): array
{
    return ['ids' => new Horde_Imap_Client_Ids($uids)];
}

$c = client($user);
foreach (['QRESYNC', 'CONDSTORE', 'MOVE', 'UIDPLUS', 'SORT', 'ACL', 'ESEARCH', 'LIST-EXTENDED'] as $word) {
    same($c->capability->query($word), true, "capability $word");
}
// Mailboxes.
$c->createMailbox('Projects');
$c->createMailbox('Projects/Ünïcode');
$c->subscribeMailbox('Projects', true);
$names = array_map('strval', $c->listMailboxes('*', Horde_Imap_Client::MBOX_ALL, ['flat' => true]));
same(in_array('Projects/Ünïcode', $names), true, 'list');
same(array_values(array_map('strval', $c->listMailboxes('Proj*',
    Horde_Imap_Client::MBOX_SUBSCRIBED, ['flat' => true]))), ['Projects'], 'subscribed');
// Messages.
for ($n = 1; $n <= 5; $n++) {
    $made = $c->append('INBOX', [['data' => message($n), 'flags' => $n % 2 ? ['\\Seen'] : []]]);
    same($made->ids, [$n], 'append');
}
$s = $c->status('INBOX', Horde_Imap_Client::STATUS_MESSAGES | Horde_Imap_Client::STATUS_UNSEEN
    | Horde_Imap_Client::STATUS_UIDNEXT | Horde_Imap_Client::STATUS_HIGHESTMODSEQ);
same([$s['messages'], $s['unseen'], $s['uidnext']], [5, 2, 6], 'status');
// What it knows now, to come back to.
$c->openMailbox('INBOX', Horde_Imap_Client::OPEN_READWRITE);
$token = $c->getSyncToken('INBOX');
// Search, sort, thread.
$q = new Horde_Imap_Client_Search_Query();
$q->flag('\\Seen', false);
same($c->search('INBOX', $q)['match']->ids, [2, 4], 'search');
$q = new Horde_Imap_Client_Search_Query();
$q->headerText('Subject', 'subject 3');
same($c->search('INBOX', $q)['match']->ids, [3], 'search subject');
same($c->search('INBOX', null, ['sort' => [Horde_Imap_Client::SORT_REVERSE,
    Horde_Imap_Client::SORT_SUBJECT]])['match']->ids, [5, 4, 3, 2, 1], 'sort');
$thread = $c->thread('INBOX', ['criteria' => Horde_Imap_Client::THREAD_REFERENCES]);
same(count($thread->getThread(1)), 5, 'thread');
// Fetch.
$q = new Horde_Imap_Client_Fetch_Query();
$q->envelope();
$q->structure();
$q->flags();
$q->size();
$q->bodyPart('1', ['peek' => true, 'decode' => true]);
$q->fullText(['peek' => true]);
foreach ($c->fetch('INBOX', $q, ids([2, 3])) as $uid => $m) {
    same($m->getEnvelope()->subject, "horde subject $uid", 'envelope');
    same((string)$m->getEnvelope()->from, "Horde $uid <horde$uid@example.org>", 'from');
    same($m->getStructure()->getPart('2')->getName(), 'a.bin', 'structure');
    same($m->getBodyPart('1'), "hello $uid", 'part');
    same($m->getFullMsg(), message($uid), 'whole');
    same($m->getSize(), strlen(message($uid)), 'size');
}
// Flags, copies, moves, expunges; by somebody else meanwhile.
$away = client($user);
$away->store('INBOX', ids([2]) + ['add' => ['\\Flagged', '$Label1']]);
same($away->copy('INBOX', 'Projects', ids([1, 2]) + ['force_map' => true]), [1 => 1, 2 => 2], 'copy');
same($away->copy('INBOX', 'Projects/Ünïcode', ids([3]) + ['move' => true, 'force_map' => true]),
    [3 => 1], 'move');
$away->store('INBOX', ids([4]) + ['add' => ['\\Deleted']]);
same(count($away->expunge('INBOX', ids([4]) + ['list' => true])), 1, 'expunge');
$away->append('INBOX', [['data' => message(6)]]);
// It comes back: what is new, what changed, what is gone.
$back = client($user);
$back->openMailbox('INBOX', Horde_Imap_Client::OPEN_READWRITE);
$sync = $back->sync(new Horde_Imap_Client_Mailbox('INBOX'), $token, ids([1, 2, 3, 4, 5]));
same($sync->newmsgsuids->ids, [6], 'sync: new');
same($sync->vanisheduids->ids, [3, 4], 'sync: gone');
same(in_array(2, $sync->flagsuids->ids), true, 'sync: flags');
// Rights and quota.
$c->setACL('Projects', $other, ['rights' => 'lrs']);
same(isset($c->getACL('Projects')[$other]), true, 'acl');
$theirs = client($other);
$found = array_map('strval', $theirs->listMailboxes('Other Users/*', Horde_Imap_Client::MBOX_ALL,
    ['flat' => true]));
same(in_array("Other Users/$user/Projects", $found), true, 'shared');
same($theirs->search("Other Users/$user/Projects")['count'], 2, 'shared search');
$c->deleteACL('Projects', $other);
$c->getQuotaRoot('INBOX');
// And away again.
$c->renameMailbox('Projects', 'Done');
$c->deleteMailbox('Done/Ünïcode');
$c->deleteMailbox('Done');
$left = array_map('strval', $c->listMailboxes('*', Horde_Imap_Client::MBOX_ALL, ['flat' => true]));
same(in_array('Done', $left), false, 'deleted');
$c->logout();
echo "all well\n";
