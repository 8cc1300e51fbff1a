/*
 * Small texts that have a form of their own: floating point numbers as Go prints them, network
 * endpoints, DNS names.
 *
 * Endpoints: the port is what stands behind the last colon, and an address with colons of its own
 * must be in brackets. A text such as fd00::1:4317 is a complete IPv6 address as well as one with a
 * port, so it is refused with both ways to write it, instead of being read in one of them.
 *
 * DNS names: as Kubernetes checks names of objects (RFC 1123, lower case; 253 bytes for a
 * subdomain, 63 for a label).
 *
 * Go's %v of a float64 is %g with the shortest digits: exponent form below 1e-4 and from 1e6 on, at
 * least two exponent digits. (Go's JSON encoder differs: from 1e21 on, one digit; see buf_double.)
 */
#include "wire/text.h"

#include <arpa/inet.h>
#include <math.h>

void go_double_print(struct buf *b, double n)
{
    if (isnan(n)) {
        buf_text(b, "NaN");
        return;
    }
    if (isinf(n)) {
        buf_text(b, n > 0 ? "+Inf" : "-Inf");
        return;
    }
    char digits[18];
    int exponent;
    double_digits(n, digits, &exponent);
    int count = (int)strlen(digits);
    if (signbit(n))
        buf_byte(b, '-');
    if (exponent < -4 || exponent >= 6)
        buf_printf(b, "%c%s%se%c%02d", digits[0], count > 1 ? "." : "", digits + 1,
                   exponent < 0 ? '-' : '+', exponent < 0 ? -exponent : exponent);
    else if (exponent < 0)
        buf_printf(b, "0.%.*s%s", -exponent - 1, "000", digits);
    else if (count <= exponent + 1)
        buf_printf(b, "%s%.*s", digits, exponent + 1 - count, "00000");
    else
        buf_printf(b, "%.*s.%s", exponent + 1, digits, digits + exponent + 1);
}

/* -- endpoints -- */

/* For printing what somebody wrote: not more than fits an error. */
static str shown(str s)
{
    return s.len > 300 ? str_make(s.data, 300) : s;
}

/* An IPv6 address, a zone behind % included. */
static bool is_ipv6(str s)
{
    char text[INET6_ADDRSTRLEN];
    struct in6_addr address;
    str head, zone;
    if (str_cut(s, '%', &head, &zone) && zone.len == 0)
        return false;
    if (head.len == 0 || head.len >= sizeof text)
        return false;
    memcpy(text, head.data, head.len);
    text[head.len] = '\0';
    return strlen(text) == head.len && inet_pton(AF_INET6, text, &address) == 1;
}

static bool port_parse(str text, uint16_t *port)
{
    uint64_t n;
    if (!str_to_u64(text, &n) || n > UINT16_MAX)
        return false;
    *port = (uint16_t)n;
    return true;
}

/* More than one colon and no brackets. */
static bool fail_colons(str text, struct err *err)
{
    size_t last = text.len - 1;
    while (text.data[last] != ':')
        last--;
    str head = str_make(text.data, last), tail = str_skip(text, last + 1);
    uint16_t port;
    bool whole = is_ipv6(text), split = is_ipv6(head) && port_parse(tail, &port);
    str t = shown(text), h = shown(head), p = shown(tail);
    if (whole && split)
        return err_set(err,
                       "endpoint \"%.*s\": the last group of an IPv6 address without brackets may "
                       "also be a port: write \"[%.*s]:%.*s\" for port %.*s, "
                       "or \"[%.*s]:PORT\" if it belongs to the address",
                       STR_ARG(t), STR_ARG(h), STR_ARG(p), STR_ARG(p), STR_ARG(t));
    if (split)
        return err_set(err,
                       "endpoint \"%.*s\": an IPv6 address needs brackets: write \"[%.*s]:%.*s\"",
                       STR_ARG(t), STR_ARG(h), STR_ARG(p));
    if (whole)
        return err_set(err,
                       "endpoint \"%.*s\": an IPv6 address needs brackets and a port behind them: "
                       "write \"[%.*s]:PORT\"",
                       STR_ARG(t), STR_ARG(t));
    return err_set(
        err, "endpoint \"%.*s\": too many colons: expected HOST:PORT, or [ADDRESS]:PORT for IPv6",
        STR_ARG(t));
}

/* Takes "[address]" off the start of *text. */
static bool take_brackets(str whole, str *text, struct endpoint *out, struct err *err)
{
    str s = shown(whole), rest;
    if (!str_cut(str_skip(whole, 1), ']', &out->host, &rest))
        return err_set(err, "endpoint \"%.*s\": the bracket is not closed: expected [ADDRESS]:PORT",
                       STR_ARG(s));
    if (!is_ipv6(out->host))
        return err_set(err, "endpoint \"%.*s\": what is in brackets is no IPv6 address",
                       STR_ARG(s));
    out->is_ipv6 = true;
    *text = rest;
    return true;
}

/* What a host name or IPv4 address cannot hold, or NULL. */
static const char *host_problem(str host)
{
    size_t pos;
    if (host.len > 253)
        return "the host name is longer than 253 bytes";
    for (size_t i = 0; i < host.len; i++) {
        unsigned char c = (unsigned char)host.data[i];
        if (c <= ' ' || c == 0x7f)
            return "the host holds white space or control characters";
        if (str_find(STR("/?#@[]\\\"'"), str_make(host.data + i, 1), &pos))
            return "the host holds a character that no host name has: expected HOST:PORT without "
                   "scheme and path";
    }
    return str_is_utf8(host) ? NULL : "the host is not UTF-8";
}

bool endpoint_parse(str text, struct endpoint *out, struct err *err)
{
    str s = shown(text), port = text;
    size_t pos;
    *out = (struct endpoint){.host = STR_NONE};
    if (text.len == 0)
        return err_set(err, "endpoint \"\": expected HOST:PORT");
    if (str_find(text, STR("://"), &pos))
        return err_set(err, "endpoint \"%.*s\": expected HOST:PORT without \"%.*s://\"", STR_ARG(s),
                       (int)(pos < 300 ? pos : 300), text.data);
    if (text.data[0] == '[') {
        if (!take_brackets(text, &port, out, err))
            return false;
        if (port.len == 0)
            return err_set(err, "endpoint \"%.*s\": missing port: write \"%.*s:PORT\"", STR_ARG(s),
                           STR_ARG(s));
        if (port.data[0] != ':')
            return err_set(err,
                           "endpoint \"%.*s\": expected a colon and the port behind the bracket",
                           STR_ARG(s));
        port = str_skip(port, 1);
    } else {
        if (!str_cut(text, ':', &out->host, &port))
            return err_set(err, "endpoint \"%.*s\": missing port: write \"%.*s:PORT\"", STR_ARG(s),
                           STR_ARG(s));
        if (str_find(port, STR(":"), &pos))
            return fail_colons(text, err);
        const char *problem = host_problem(out->host);
        if (problem != NULL)
            return err_set(err, "endpoint \"%.*s\": %s", STR_ARG(s), problem);
    }
    str p = shown(port);
    if (port.len == 0)
        return err_set(
            err,
            "endpoint \"%.*s\": missing port behind the colon: expected a number from 0 to 65535",
            STR_ARG(s));
    if (!port_parse(port, &out->port))
        return err_set(err, "endpoint \"%.*s\": port \"%.*s\": expected a number from 0 to 65535",
                       STR_ARG(s), STR_ARG(p));
    return true;
}

/* -- DNS names -- */

static bool is_alnum_lower(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

/* One part of a name. `kind` is how the whole is called. */
static bool check_part(str name, str part, const char *kind, struct err *err)
{
    str s = shown(name);
    if (part.len == 0)
        return err_set(err, "\"%.*s\": a %s may have no empty part", STR_ARG(s), kind);
    for (size_t i = 0; i < part.len; i++) {
        char c = part.data[i];
        if (!is_alnum_lower(c) && c != '-')
            return err_set(err, "\"%.*s\": a %s holds only lower case letters, digits%s and '-'",
                           STR_ARG(s), kind, name.len == part.len ? "" : ", '.'");
    }
    if (!is_alnum_lower(part.data[0]) || !is_alnum_lower(part.data[part.len - 1]))
        return err_set(
            err, "\"%.*s\": each part of a %s begins and ends with a lower case letter or digit",
            STR_ARG(s), kind);
    return true;
}

static bool check_length(str name, size_t len_max, const char *kind, struct err *err)
{
    str s = shown(name);
    if (name.len == 0)
        return err_set(err, "\"\": a %s may not be empty", kind);
    if (name.len > len_max)
        return err_set(err, "\"%.*s...\": a %s has at most %zu bytes, this one has %zu", STR_ARG(s),
                       kind, len_max, name.len);
    return true;
}

bool dns_subdomain_check(str name, struct err *err)
{
    static const char kind[] = "DNS subdomain";
    if (!check_length(name, 253, kind, err))
        return false;
    str part, rest = name;
    bool more;
    do {
        more = str_cut(rest, '.', &part, &rest);
        if (!check_part(name, part, kind, err))
            return false;
    } while (more);
    return true;
}

bool dns_label_check(str name, struct err *err)
{
    static const char kind[] = "DNS label";
    return check_length(name, 63, kind, err) && check_part(name, name, kind, err);
}
