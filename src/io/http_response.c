/*
 * Status, headers and trailers of one answer, from the lines that libcurl hands over (it writes
 * HTTP/2 headers in the same form).
 *
 * Life of an answer: a status line starts a block and forgets the one before (1xx answers come in
 * front of the real one); an empty line ends it; when its status is final, the head is complete and
 * every later line is a trailer, until another status line.
 *
 * Bounded by LIMIT_HTTP_HEADER_BYTES for all blocks kept at a time; the lines stay as they came and
 * are searched when asked for: an answer has some 10 of them.
 */
#include "base/limits.h"
#include "io/http_internal.h"

enum { STATUS_FINAL_MIN = 200, STATUS_SWITCHING = 101, STATUS_DIGITS = 3 };

void http_response_init(struct http_response *r)
{
    *r = (struct http_response){0};
    buf_init(&r->lines, LIMIT_HTTP_HEADER_BYTES);
}

void http_response_deinit(struct http_response *r)
{
    buf_deinit(&r->lines);
}

/* "HTTP/1.1 200 OK", "HTTP/2 200 " */
static bool feed_status(struct http_response *r, str line)
{
    str version, rest;
    if (!str_starts_with(line, STR("HTTP/")) || !str_cut(line, ' ', &version, &rest))
        return false;
    uint64_t status;
    if (rest.len < STATUS_DIGITS || !str_to_u64(str_make(rest.data, STATUS_DIGITS), &status))
        return false;
    r->status = (int)status;
    r->http2 = str_starts_with(version, STR("HTTP/2"));
    r->head_done = false;
    r->trailer_start = 0;
    buf_clear(&r->lines);
    return true;
}

enum http_line http_response_feed(struct http_response *r, str line)
{
    if (feed_status(r, line))
        return HTTP_LINE_MORE;
    if (str_trim(line).len > 0) {
        buf_str(&r->lines, line);
        return r->lines.overflow ? HTTP_LINE_TOO_LARGE : HTTP_LINE_MORE;
    }
    if (r->head_done || (r->status < STATUS_FINAL_MIN && r->status != STATUS_SWITCHING))
        return HTTP_LINE_MORE;
    r->head_done = true;
    r->trailer_start = r->lines.len;
    return HTTP_LINE_HEAD_DONE;
}

static bool find_last(str lines, const char *name, str *value)
{
    bool found = false;
    while (lines.len > 0) {
        str line, key, text;
        str_cut(lines, '\n', &line, &lines);
        if (str_cut(line, ':', &key, &text) && str_eq_nocase(key, str_from(name))) {
            *value = str_trim(text);
            found = true;
        }
    }
    return found;
}

int http_response_status(const struct http_response *r)
{
    return r->status;
}

bool http_response_header(const struct http_response *r, const char *name, str *value)
{
    str lines = buf_view(&r->lines);
    if (r->head_done)
        lines.len = r->trailer_start;
    return find_last(lines, name, value);
}

bool http_response_trailer(const struct http_response *r, const char *name, str *value)
{
    return r->head_done && find_last(str_skip(buf_view(&r->lines), r->trailer_start), name, value);
}

bool http_response_is_http2(const struct http_response *r)
{
    return r->http2;
}
