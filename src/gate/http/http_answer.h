// SPDX-License-Identifier: Apache-2.0
//
// keep's words about an operation, as they go to who asked by HTTP: one JSON document, or JSON
// lines while it runs. What keep sends as JSON is passed on as it is, in pieces; data becomes
// base64 in a line of its own, or a text. Pure; one thread at a time.
//
//     PLAIN      {...}
//     LIST       {"items":[{...},...],"result":{...}}
//     TEXT_OUT   {"text":"...","result":{...}}
//     lines      {...} an item, {"data":"..."}, {"progress":{...}}, and at the end {"result":{...}}
//                or {"error":{...}}
#ifndef GATE_HTTP_HTTP_ANSWER_H
#define GATE_HTTP_HTTP_ANSWER_H

#include "admin/table/operation.h"
#include "base/buf.h"
#include "base/err.h"
#include "ipc/control_frame.h"

#define HTTP_ANSWER_RESULT_MAX (96u << 10)

struct http_answer {
    enum operation_kind kind;
    bool is_lines;
    struct buf text; // of the answer: what is to be sent next
    // Of keep's: the record that is open, and the payload of a frame that is no chunk.
    unsigned char header[5];
    unsigned header_n;
    uint32_t left;
    char first[16]; // bytes of an item
    unsigned first_n;
    unsigned char rest[2]; // of bytes that make no whole group of base64 yet
    unsigned rest_n;
    struct buf frame;
    // What has come of it.
    uint64_t items;   // that have come in whole
    bool is_begun;    // there is an item, or data
    bool is_unwanted; // keep has said of an item that its data is not wanted
    bool is_over, has_failed;
    enum err code; // why it failed
    char why[512]; // a sentence
};

void http_answer_begin(struct http_answer *a, enum operation_kind kind, bool is_lines);
void http_answer_finish(struct http_answer *a); // also of a struct of zeros

// A piece of the payload of a frame of this kind. ERR_INVALID: keep broke the rules. ERR_LIMIT.
enum err http_answer_put(struct http_answer *a, enum control_kind kind, struct span piece);
// The frame is whole: RESULT and ERROR end the answer.
enum err http_answer_frame_end(struct http_answer *a, enum control_kind kind);
// There will be no more: `code` and the sentence are why.
void http_answer_fail(struct http_answer *a, enum err code, const char *why);

// The HTTP status for what keep says went wrong.
unsigned http_answer_status(enum err code);
// A problem (RFC 9457) of this status.
void http_problem_put(struct buf *out, unsigned status, const char *code, struct span detail);

#endif
