/*
 * Small text forms: any bytes into every parser; what a parser accepts and a printer prints again
 * is the same value.
 */
#include "wire/text.h"

#include <math.h>
#include <stdlib.h>

static void check_duration(str text)
{
    int64_t ns, again;
    struct err err;
    if (!duration_parse(text, &ns, &err)) {
        CHECK(str_starts_with(str_from(err.text), STR("time: ")));
        return;
    }
    struct buf b;
    buf_init(&b, 100);
    duration_print(&b, ns);
    CHECK(duration_parse(buf_view(&b), &again, NULL) && again == ns);
    buf_deinit(&b);
}

static void check_times(str text)
{
    int64_t ns, again;
    if (rfc3339_parse(text, &ns)) {
        struct buf b;
        buf_init(&b, 100);
        rfc3339_print(&b, ns, 9);
        CHECK(rfc3339_parse(buf_view(&b), &again) && again == ns);
        buf_clear(&b);
        go_time_print(&b, ns);
        buf_deinit(&b);
    }
    if (http_date_parse(text, &ns))
        CHECK(ns % 1000000000 == 0);
    if (retry_after_parse(text, INT64_C(1700000000000000000), &ns))
        CHECK(ns >= 0);
    if (retry_after_parse(text, INT64_MIN, &ns))
        CHECK(ns >= 0);
}

/* Decoded, encoded and decoded again. */
static void check_base64(str text)
{
    struct buf bytes, encoded, again;
    buf_init(&bytes, text.len);
    buf_init(&encoded, 2 * text.len + 4);
    buf_init(&again, text.len);
    buf_text(&bytes, "");
    if (base64_decode(text, &bytes)) {
        base64_encode(&encoded, buf_view(&bytes));
        CHECK(!encoded.overflow && base64_decode(buf_view(&encoded), &again));
        CHECK(str_eq(buf_view(&bytes), buf_view(&again)));
    } else {
        CHECK(bytes.len == 0);
    }
    buf_clear(&bytes);
    if (!base64url_decode(text, &bytes))
        CHECK(bytes.len == 0);
    buf_deinit(&bytes);
    buf_deinit(&encoded);
    buf_deinit(&again);
}

static void check_url(str text)
{
    struct buf encoded, decoded;
    buf_init(&encoded, 3 * text.len);
    buf_init(&decoded, text.len);
    url_encode(&encoded, text);
    CHECK(!encoded.overflow && url_decode(buf_view(&encoded), &decoded));
    CHECK(str_eq(buf_view(&decoded), text));
    buf_clear(&decoded);
    if (!url_decode(text, &decoded))
        CHECK(decoded.len == 0);
    buf_deinit(&encoded);
    buf_deinit(&decoded);
}

static void check_double(str text)
{
    double n, back;
    if (text.len < sizeof n)
        return;
    memcpy(&n, text.data, sizeof n);
    struct buf b;
    buf_init(&b, 100);
    go_double_print(&b, n);
    back = strtod(buf_cstr(&b), NULL);
    CHECK(isnan(n) ? isnan(back) : memcmp(&back, &n, sizeof n) == 0);
    buf_deinit(&b);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    str text = str_make((const char *)data, size);
    struct endpoint endpoint;
    struct err err = {0};
    check_duration(text);
    check_times(text);
    check_base64(text);
    check_url(text);
    check_double(text);
    if (!endpoint_parse(text, &endpoint, &err))
        CHECK(err.text[0] != '\0');
    if (dns_label_check(text, &err))
        CHECK(dns_subdomain_check(text, NULL));
    if (dns_subdomain_check(text, &err))
        CHECK(size > 0 && size <= 253);
    return 0;
}
