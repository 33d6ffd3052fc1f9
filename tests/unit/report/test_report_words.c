// SPDX-License-Identifier: Apache-2.0
//
// Each result of TLS that the courier can tell has the word of RFC 8460 section 4.3 in reports. The
// numbers are stored and the two lists stand in different folders: here they are held together.
#include "../test.h"
#include "ipc/message.h"
#include "report/report_session.h"

static void test_every_result_has_its_word(void **state)
{
    static const struct {
        enum ipc_tls_result result;
        const char *word;
    } rows[] = {
        {IPC_TLS_NONE, ""},
        {IPC_TLS_GOOD, ""},
        {IPC_TLS_STARTTLS_NOT_SUPPORTED, "starttls-not-supported"},
        {IPC_TLS_CERTIFICATE_HOST_MISMATCH, "certificate-host-mismatch"},
        {IPC_TLS_CERTIFICATE_EXPIRED, "certificate-expired"},
        {IPC_TLS_CERTIFICATE_NOT_TRUSTED, "certificate-not-trusted"},
        {IPC_TLS_VALIDATION_FAILURE, "validation-failure"},
        {IPC_TLS_TLSA_INVALID, "tlsa-invalid"},
        {IPC_TLS_DNSSEC_INVALID, "dnssec-invalid"},
        {IPC_TLS_DANE_REQUIRED, "dane-required"},
        {IPC_TLS_STS_POLICY_FETCH_ERROR, "sts-policy-fetch-error"},
        {IPC_TLS_STS_POLICY_INVALID, "sts-policy-invalid"},
        {IPC_TLS_STS_WEBPKI_INVALID, "sts-webpki-invalid"},
    };

    (void)state;
    assert_int_equal(sizeof(rows) / sizeof(rows[0]), IPC_TLS_RESULTS);
    assert_int_equal(IPC_TLS_RESULTS, REPORT_SESSION_RESULTS);
    assert_int_equal(IPC_TLS_GOOD, REPORT_SESSION_GOOD);
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        assert_int_equal(rows[i].result, i);
        assert_string_equal(report_session_result(rows[i].result), rows[i].word);
    }
    assert_string_equal(report_session_result(IPC_TLS_RESULTS), "");
    assert_string_equal(report_session_result(UINT32_MAX), "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_result_has_its_word),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
