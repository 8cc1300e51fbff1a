/*
 * References to container images.
 *
 *   reference = name [":" tag] ["@" digest]
 *   name      = [host [":" port] "/"] part {"/" part}
 *   host      = label {"." label} | "[" IPv6 digits and colons "]"; label: letters, digits, inner "-"
 *   part      = words of lower-case letters and digits with ".", "_", "__" or any number of "-" between
 *
 * There is no need to search: "@" stands only in front of a digest, and a colon behind the last
 * slash only in front of a tag. What is in front of the first slash may be either a host or a part;
 * if it could be both it is a host, which does not count in the length of the path.
 *
 * Specification: github.com/distribution/reference, grammar in reference.go and regexp.go; digests:
 * the three algorithms that opencontainers/go-digest knows.
 */
#include "wire/image_ref.h"

enum { PATH_MAX_BYTES = 255, TAG_MAX_BYTES = 128 };

static bool is_lower_or_digit(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9');
}

static bool is_letter_or_digit(char c)
{
    return is_lower_or_digit(c) || (c >= 'A' && c <= 'Z');
}

static bool is_path_part(str s)
{
    size_t i = 0;
    for (;;) {
        size_t word = i;
        while (i < s.len && is_lower_or_digit(s.data[i]))
            i++;
        if (i == word)
            return false;
        if (i == s.len)
            return true;
        size_t separator = i;
        while (i < s.len && s.data[i] == s.data[separator])
            i++;
        char c = s.data[separator];
        size_t max = c == '-' ? SIZE_MAX : c == '_' ? 2 : c == '.' ? 1 : 0;
        if (i - separator > max)
            return false;
    }
}

static bool is_host_label(str s)
{
    if (s.len == 0 || s.data[0] == '-' || s.data[s.len - 1] == '-')
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (!is_letter_or_digit(s.data[i]) && s.data[i] != '-')
            return false;
    return true;
}

static bool is_bracketed_ipv6(str s)
{
    if (s.len < 3 || s.data[0] != '[' || s.data[s.len - 1] != ']')
        return false;
    for (size_t i = 1; i < s.len - 1; i++) {
        char c = s.data[i];
        bool hex = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
        if (!hex && c != ':')
            return false;
    }
    return true;
}

static bool last_index(str s, char c, size_t *at)
{
    const char *found = s.len == 0 ? NULL : memrchr(s.data, c, s.len);
    if (found == NULL)
        return false;
    *at = (size_t)(found - s.data);
    return true;
}

static bool is_host(str s)
{
    size_t colon, bracket;
    bool brackets = last_index(s, ']', &bracket);
    if (last_index(s, ':', &colon) && (!brackets || colon > bracket)) {
        str port = str_skip(s, colon + 1);
        for (size_t i = 0; i < port.len; i++)
            if (port.data[i] < '0' || port.data[i] > '9')
                return false;
        if (port.len == 0)
            return false;
        s.len = colon;
    }
    if (brackets)
        return is_bracketed_ipv6(s);
    str label, rest = s;
    bool more;
    do {
        more = str_cut(rest, '.', &label, &rest);
        if (!is_host_label(label))
            return false;
    } while (more);
    return true;
}

static bool is_name(str name)
{
    str part, rest;
    bool more = str_cut(name, '/', &part, &rest);
    bool has_host = more && is_host(part);
    if (!has_host && !is_path_part(part))
        return false;
    if ((has_host ? rest.len : name.len) > PATH_MAX_BYTES)
        return false;
    while (more) {
        more = str_cut(rest, '/', &part, &rest);
        if (!is_path_part(part))
            return false;
    }
    return true;
}

static bool is_tag(str s)
{
    if (s.len == 0 || s.len > TAG_MAX_BYTES || s.data[0] == '.' || s.data[0] == '-')
        return false;
    for (size_t i = 0; i < s.len; i++)
        if (!is_letter_or_digit(s.data[i]) && !memchr("_.-", s.data[i], 3))
            return false;
    return true;
}

static bool is_digest(str s)
{
    str algorithm, hex;
    if (!str_cut(s, ':', &algorithm, &hex))
        return false;
    size_t digits = str_eqz(algorithm, "sha256")   ? 64
                    : str_eqz(algorithm, "sha384") ? 96
                    : str_eqz(algorithm, "sha512") ? 128
                                                   : 0;
    if (digits == 0 || hex.len != digits)
        return false;
    for (size_t i = 0; i < hex.len; i++)
        if (!is_lower_or_digit(hex.data[i]) || hex.data[i] > 'f')
            return false;
    return true;
}

bool image_ref_split(str text, str *repository, str *tag)
{
    str name, digest;
    if (str_cut(text, '@', &name, &digest) && !is_digest(digest))
        return false;
    str tag_found = STR("latest");
    size_t slash, colon;
    bool has_slash = last_index(name, '/', &slash);
    if (last_index(name, ':', &colon) && (!has_slash || colon > slash)) {
        tag_found = str_skip(name, colon + 1);
        name.len = colon;
        if (!is_tag(tag_found))
            return false;
    }
    if (!is_name(name))
        return false;
    *repository = name;
    *tag = tag_found;
    return true;
}
