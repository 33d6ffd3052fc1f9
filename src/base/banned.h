// SPDX-License-Identifier: Apache-2.0
//
// Functions that do not compile here, because they write without a bound, depend on the locale or
// on hidden state, or go through a shell. Included last in every .c file.
#ifndef BASE_BANNED_H
#define BASE_BANNED_H

// Macros in some headers.
#undef alloca
#undef sprintf
#undef vsprintf
#undef strcpy
#undef strcat
#undef strncpy
#undef strncat

#pragma GCC poison strcpy strcat strncpy strncat sprintf vsprintf gets strtok strtok_r
#pragma GCC poison atoi atol atoll sscanf fscanf scanf alloca system popen mktemp tmpnam tempnam
#pragma GCC poison gmtime localtime asctime ctime rand srand random drand48 strerror
#pragma GCC poison isalpha isdigit isalnum isspace isupper islower toupper tolower isprint isxdigit
#pragma GCC poison strcasecmp strncasecmp

#endif
