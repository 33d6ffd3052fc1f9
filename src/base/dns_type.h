// SPDX-License-Identifier: Apache-2.0
//
// Types of DNS records, by the DNS's own numbers (IANA's registry, RFC 1035 section 3.2.2): what
// the processes ask each other for.
#ifndef BASE_DNS_TYPE_H
#define BASE_DNS_TYPE_H

enum dns_type {
    DNS_A = 1,
    DNS_NS = 2,
    DNS_CNAME = 5,
    DNS_PTR = 12,
    DNS_MX = 15,
    DNS_TXT = 16,
    DNS_AAAA = 28,
    DNS_SRV = 33,
    DNS_DNSKEY = 48,
    DNS_TLSA = 52,
};

#endif
