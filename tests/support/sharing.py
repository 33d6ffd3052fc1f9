# SPDX-License-Identifier: Apache-2.0
"""Two people of a server: one who has mailboxes, and one whom they may be shared with."""


class Pair:
    def __init__(self, server, account):
        """`account`: that of the fixture; the two have numbers of their own by it."""
        self.server, self.reader_number = server, 2 * account + 1
        self.owner_name, self.reader_name = server.user(2 * account), server.user(2 * account + 1)
        self.owner, self.reader = server.login(2 * account), server.login(2 * account + 1)
        self.their = f"Other Users/{self.owner_name}"

    def share(self, box, rights, who=None):
        self.owner.ok(f'SETACL "{box}" {who or self.reader_name} "{rights}"')

    def close(self):
        for c in (self.owner, self.reader):
            c.sock.close()
