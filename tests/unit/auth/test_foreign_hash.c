// SPDX-License-Identifier: Apache-2.0
//
// Hashes as other programs write them: those with Dovecot's names were made by doveadm pw, the
// others with Python's hashlib and the C library's crypt.
#include "../test.h"
#include "auth/foreign_hash.h"
#include "auth/password.h"

static const struct password_params cheap = {.memory_kib = 64, .passes = 1, .lanes = 1};

// All of "correct horse".
static const char *const good[] = {
    "{BLF-CRYPT}$2y$05$NHG8G77QA5Ic3DnXKGGtPuGBbZRqkJ.kRqDBvow8p/sjrnKQEsE/q",
    "{CRYPT}$2y$05$lEcTUS/2CXEYZoyFS1B7iO3SVHCAx70FEho66oJ6k9R5UlOERVs4i",
    "$2b$04$abcdefghijklmnopqrstuujydOTSfIH/d5oUHpsygqV5X9xJLQc6e",
    "{SHA256-CRYPT}$5$sZZPUCdsmjugkQcY$9.A.QvaDpQrRqih3tvlOLoDYjrRrEeKOlYq7EQHeXB.",
    "{SHA512-CRYPT}$6$zz/Q41yR4228WGeo$KXco9859QvxMSZWLyCBkjMuNiZMX9usrwD99QsDVlc726vL129keGxkrAh5"
    "R8NVgYhuotT1R1Mn0XfGv2gAmr/",
    "$6$rounds=1000$saltstring$YiR6NSM0LQXmu7vAhkMXfkdYk7qtFouVx1Mdr3HmzXspT8kONjlpU3CsV7ezCB62uXJo"
    "AdaagsH4ck7/tB9js.",
    "$5$saltstring$vc6YOOogU4kWVvwga8e9zTFgKcy4tb5LaPxIiPJzqEC",
    "$y$j9T$F5Jx5fExrKuPp53xLKQ..1$zwtVrjrUCmXcyLTs6oxLTQlzifSUkF8RHJ./tK5KU79",
    "{PBKDF2}$1$Q4VjIUkUq.9WdiU0$5000$412c9fe568f99d1a5112941fd5db2749c3ff70eb",
    "{PBKDF2-SHA1}10000$NGC.MSAeaf7aoO7ouZl/XA$e7nd/wwiCfPJOmHZvbRQi.wk7kE",
    "{PBKDF2-SHA256}10000$pU3KGCUwux1tEyze1iN7Lg$C8fU5UwjZ5Bo9dY0Q.cRwLkZpF3/yPgYUVsKyYvaxo0",
    "{PBKDF2-SHA512}10000$2R4/ch/LGXEXRJTWSTydXA$eH8VPbIEcPem6q03X2HU9blbx."
    "6kmtoHmccGq8lEpLwDPY19PmtH6OXf8VOFS6GxO6IaBcSsxQc7Oga.sbQlmA",
    "$pbkdf2-sha256$29000$fCmZ/a/lkyU81lSvTfrXFA$LkyQyc/dKsOyzV/WWhhG1Vt7R/pkTGHT2XVshySRrMg",
    "$pbkdf2-sha512$25000$J6Cus/7pIy.K8iEfnuSRxQ$ntNXRsy44HfU9s9L6fzsMwr3JEDhJjcbxSRDyq8HLDa7u8s8lb"
    "akrZbU/wv14hBsqO.ClzCkRnVRM2hZq1h85w",
    "{SSHA}X1sweNNnvEqc3tSCrgtLz2MpGNwE7t9I",
    "{ssha.hex}584e7fb9763ee2d42317390584aa7b1ec9130f1256784cd4",
    "{SSHA256}BTok/M6nm4kD74BeHBmgXLCFzKEFNaQtZpc8O37PZEwxR69P",
    "{SSHA256.b64}OJXjGAUB+Y1zRvrm/X6aIsK7PSSi2vDDfguFi2T2u9dvk0J+y8j+KQ==",
    "{SSHA512}p9ITaK/WEuThxilrH5oFtNYqF6jDHYvrRHcVAD6Xt/fKPyOy/qSG283HLytjKZDXA2AiucVfXL0ZefcSZ3CJ8"
    "0vArMs=",
    "{SSHA512.HEX}1460f8ccf4acb5f7eedb5ad9d58b1ff8f8b1e7154b23a7552de1e7edd6561cc3cbdae5e8bb9d0ddb"
    "52cf3747b805d052c8a4e7f1e1bb3483de31e7ed047929ffb10becb5563bfc1e",
    "{ARGON2I}$argon2i$v=19$m=32768,t=4,p=1$4BL3zLipeZyTX81099H0Sg$Bu2b5CDaayMXHcnKrfaJckBEmK/TxSHh"
    "ojZhAcvjFAc",
    "{ARGON2ID}$argon2id$v=19$m=65536,t=3,p=1$hYq1fJc/V4vcd9XvFZaGeg$CD8LY6qnGrsGszAnqFM2jcWoVRt1Zv"
    "SdqBIQQQm1OLE",
};

static void test_what_others_write_is_verified(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct span stored;
        const char *why = "";

        if (password_hash_accept(span_from_str(good[i]), &cheap, &stored, &why) != ERR_OK) {
            fail_msg("%s: %s", good[i], why);
        }
        assert_true(stored.n <= PASSWORD_HASH_MAX);
        assert_true(password_needs_rehash(stored, &cheap));
        if (password_verify(SPAN("correct horse"), stored) != ERR_OK) {
            fail_msg("%s does not verify", good[i]);
        }
        assert_err(password_verify(SPAN("correct horsf"), stored), ERR_DENIED);
        assert_err(password_verify(SPAN(""), stored), ERR_DENIED);
        assert_err(password_verify(SPAN("correct horse\0"), stored), ERR_DENIED);
    }
}

static const struct refusal {
    const char *text;
    enum err code;
} refused[] = {
    // A cost that would hang the server.
    {"$6$rounds=999999999$saltstring$YiR6NSM0LQXmu7vAhkMXfkdYk7qtFouVx1Mdr3HmzXspT8kONjlpU3CsV7ezC"
     "B62uXJoAdaagsH4ck7/tB9js.",
     ERR_LIMIT},
    {"$6$rounds=1000001$saltstring$YiR6NSM0LQXmu7vAhkMXfkdYk7qtFouVx1Mdr3HmzXspT8kONjlpU3CsV7ezCB6"
     "2uXJoAdaagsH4ck7/tB9js.",
     ERR_LIMIT},
    {"$5$rounds=18446744073709551615$saltstring$vc6YOOogU4kWVvwga8e9zTFgKcy4tb5LaPxIiPJzqEC",
     ERR_LIMIT},
    {"{BLF-CRYPT}$2y$31$NHG8G77QA5Ic3DnXKGGtPuGBbZRqkJ.kRqDBvow8p/sjrnKQEsE/q", ERR_LIMIT},
    {"{BLF-CRYPT}$2y$15$NHG8G77QA5Ic3DnXKGGtPuGBbZRqkJ.kRqDBvow8p/sjrnKQEsE/q", ERR_LIMIT},
    {"$y$jFT$F5Jx5fExrKuPp53xLKQ..1$zwtVrjrUCmXcyLTs6oxLTQlzifSUkF8RHJ./tK5KU79", ERR_LIMIT},
    {"{PBKDF2}$1$Q4VjIUkUq.9WdiU0$4294967295$412c9fe568f99d1a5112941fd5db2749c3ff70eb", ERR_LIMIT},
    {"{PBKDF2-SHA256}2000001$pU3KGCUwux1tEyze1iN7Lg$C8fU5UwjZ5Bo9dY0Q.cRwLkZpF3/yPgYUVsKyYvaxo0",
     ERR_LIMIT},
    {"$argon2id$v=19$m=4194304,t=1,p=1$hYq1fJc/V4vcd9XvFZaGeg$CD8LY6qnGrsGszAnqFM2jcWoVRt1ZvSdqBI",
     ERR_LIMIT},
    {"$argon2id$v=19$m=65536,t=17,p=1$hYq1fJc/V4vcd9XvFZaGeg$CD8LY6qnGrsGszAnqFM2jcWoVRt1ZvSdqBI",
     ERR_LIMIT},
    {"$argon2id$v=19$m=65536,t=4294967295,p=1$hYq1fJc/V4vcd9XvFZaGeg$CD8LY6qnGrsGszAnqFM2jcWoVRt1",
     ERR_INVALID},
    // What hides too little.
    {"{PLAIN}secret", ERR_UNSUPPORTED},
    {"{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", ERR_UNSUPPORTED},
    {"{SHA256}XohImNooBHFR0OVvjcYpJ3NgPQ1qq73WKhHvch0VQtg=", ERR_UNSUPPORTED},
    {"{MD5-CRYPT}$1$VtTLVPFv$poNbCG6QpdCQ/RfZLYdew0", ERR_UNSUPPORTED},
    {"$1$VtTLVPFv$poNbCG6QpdCQ/RfZLYdew0", ERR_UNSUPPORTED},
    {"{CRYPT}abJnggxhB/yWI", ERR_UNSUPPORTED},
    {"{SCRAM-SHA-256}4096,DLlTEjj4uX9T6xpSn0PwTg==,QaQ1jfB5aef9/ZOSmPJPxtIOVbaJDF7whveIUibuNYE=,"
     "AIFHBQQmoUhFm/oMVxydfzsYbJMlzcIG9yQfJMkup7E=",
     ERR_UNSUPPORTED},
    // Damaged.
    {"", ERR_INVALID},
    {"secret", ERR_INVALID},
    {"{", ERR_INVALID},
    {"{}", ERR_INVALID},
    {"{SSHA", ERR_INVALID},
    {"{SSHA}", ERR_INVALID},
    {"{SSHA}=", ERR_INVALID},
    {"{SSHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", ERR_INVALID}, // no salt
    {"{SSHA.xyz}X1sweNNnvEqc3tSCrgtLz2MpGNwE7t9I", ERR_INVALID},
    {"{SSHA512}X1sweNNnvEqc3tSCrgtLz2MpGNwE7t9I", ERR_INVALID},
    {"{NOSUCH}X1sweNNnvEqc3tSCrgtLz2MpGNwE7t9I", ERR_INVALID},
    {"{PBKDF2.HEX}$1$Q4VjIUkUq.9WdiU0$5000$412c9fe568f99d1a5112941fd5db2749c3ff70eb", ERR_INVALID},
    {"{PBKDF2}$2$Q4VjIUkUq.9WdiU0$5000$412c9fe568f99d1a5112941fd5db2749c3ff70eb", ERR_INVALID},
    {"{PBKDF2}$1$$5000$412c9fe568f99d1a5112941fd5db2749c3ff70eb", ERR_INVALID},
    {"{PBKDF2}$1$Q4VjIUkUq.9WdiU0$0$412c9fe568f99d1a5112941fd5db2749c3ff70eb", ERR_INVALID},
    {"{PBKDF2}$1$Q4VjIUkUq.9WdiU0$5000$412c9fe568f99d1a5112941fd5db2749c3ff70", ERR_INVALID},
    {"{PBKDF2-SHA256}10000$pU3KGCUwux1tEyze1iN7Lg$", ERR_INVALID},
    {"{PBKDF2-SHA256}$pU3KGCUwux1tEyze1iN7Lg$C8fU5UwjZ5Bo9dY0Q.cRwLkZpF3/yPgYUVsKyYvaxo0",
     ERR_INVALID},
    {"$2y$05$NHG8G77QA5Ic3DnXKGGtPuGBbZRqkJ.kRqDBvow8p/sjrnKQEsE/", ERR_INVALID},
    {"$2y$5$NHG8G77QA5Ic3DnXKGGtPuGBbZRqkJ.kRqDBvow8p/sjrnKQEsE/qa", ERR_INVALID},
    {"$2y$05$NHG8G77QA5Ic3DnXKGGtPuGBbZRqkJ.kRqDBvow8p/sjrnKQEsE/:", ERR_INVALID},
    {"$6$rounds=$saltstring$YiR6NSM0LQXmu7vAhkMXfkdYk7qtFouVx1Mdr3HmzXspT8kONjlpU3CsV7ezCB62uXJoAd"
     "aagsH4ck7/tB9js.",
     ERR_INVALID},
    {"$6$saltstring", ERR_INVALID},
    {"$y$j9T$F5Jx5fExrKuPp53xLKQ..1", ERR_INVALID},
    {"$argon2id$v=16$m=64,t=1,p=1$hYq1fJc/"
     "V4vcd9XvFZaGeg$CD8LY6qnGrsGszAnqFM2jcWoVRt1ZvSdqBIQQQm1OLE",
     ERR_INVALID},
    {"$argon2id$v=19$m=64,t=0,p=1$hYq1fJc/"
     "V4vcd9XvFZaGeg$CD8LY6qnGrsGszAnqFM2jcWoVRt1ZvSdqBIQQQm1OLE",
     ERR_INVALID},
    {"$argon2d$v=19$m=64,t=1,p=1$hYq1fJc/"
     "V4vcd9XvFZaGeg$CD8LY6qnGrsGszAnqFM2jcWoVRt1ZvSdqBIQQQm1OLE",
     ERR_INVALID},
};

static void test_what_is_refused_says_why(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct span stored;
        const char *why = NULL;
        enum err e = password_hash_accept(span_from_str(refused[i].text), &cheap, &stored, &why);

        if (e != refused[i].code || !why) {
            fail_msg("%s: %s, %s", refused[i].text, err_name(e), why ? why : "no reason");
        }
    }
}

// Also when it is in the store already.
// A06d
static void test_a_cost_without_end_is_not_paid(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
        struct span text = span_from_str(refused[i].text);

        if (!span_starts(text, SPAN("$argon2id$v=19$m=4194304")) &&
            !span_starts(text, SPAN("$argon2id$v=19$m=65536,t=17"))) { // settings may ask for these
            assert_err(password_verify(SPAN("correct horse"), text), ERR_INVALID);
        }
    }
}

static void test_our_own_cost_is_no_limit(void **state)
{
    struct password_params dear = {.memory_kib = 1 << 20, .passes = 3, .lanes = 1};
    struct span out, text = SPAN("$argon2id$v=19$m=1048576,t=3,p=1$hYq1fJc/V4vcd9XvFZaGeg$"
                                 "CD8LY6qnGrsGszAnqFM2jcWoVRt1ZvSdqBIQQQm1OLE");
    const char *why;

    (void)state;
    assert_err(password_hash_accept(text, &cheap, &out, &why), ERR_LIMIT);
    assert_ok(password_hash_accept(text, &dear, &out, &why));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_what_others_write_is_verified),
        cmocka_unit_test(test_what_is_refused_says_why),
        cmocka_unit_test(test_a_cost_without_end_is_not_paid),
        cmocka_unit_test(test_our_own_cost_is_no_limit),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
