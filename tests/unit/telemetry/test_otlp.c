/*
 * OTLP encoding: known bytes, and that cutting into requests loses, doubles and reorders nothing
 * and is exact to the byte. That the bytes are what others write: test_otlp_protoc.c.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <cmocka.h>

#include "base/limits.h"
#include "telemetry/otlp.h"
#include "tests/unit/telemetry/golden_batches.h"
#include "tests/unit/telemetry/otlp_flatten.h"

/* The one request of a batch must be this hex text (blanks do not count). Frees the batch. */
static void assert_request(struct batch *b, const char *expected)
{
    struct otlp_cursor c;
    struct buf out, hex, squeezed;
    size_t item_count;
    buf_init(&out, MIB);
    buf_init(&hex, MIB);
    buf_init(&squeezed, MIB);
    otlp_cursor_init(&c, b, SIZE_MAX);
    assert_int_equal(otlp_next(&c, &out, &item_count), OTLP_REQUEST);
    assert_int_equal(item_count, b->item_count);
    for (size_t i = 0; i < out.len; i++)
        buf_printf(&hex, "%02x", (uint8_t)out.data[i]);
    for (; *expected != '\0'; expected++) {
        if (*expected != ' ')
            buf_byte(&squeezed, *expected);
    }
    assert_string_equal(buf_cstr(&hex), buf_cstr(&squeezed));
    for (int i = 0; i < 2; i++) {
        buf_clear(&out);
        item_count = 99;
        assert_int_equal(otlp_next(&c, &out, &item_count), OTLP_END);
        assert_int_equal(item_count, 0);
        assert_int_equal(out.len, 0);
    }
    buf_deinit(&out);
    buf_deinit(&hex);
    buf_deinit(&squeezed);
    batch_unref(b);
}

/* A batch with one bare scope. */
static struct batch *plain(enum signal signal, struct scope **scope)
{
    struct batch *b = batch_new(signal);
    *scope = batch_scope(b, batch_resource(b));
    return b;
}

static struct point *plain_point(struct batch *b, struct scope *s, const struct metric_desc *desc)
{
    return batch_point(b, batch_metric(b, s, desc));
}

#define T1700 INT64_C(1700000000000000000)
static const struct metric_desc g = {.name = TEXT("g"), .type = METRIC_GAUGE};
static const struct metric_desc nameless_histogram = {.type = METRIC_HISTOGRAM};
static const struct metric_desc nameless_exp = {.type = METRIC_EXP_HISTOGRAM};

/* The bytes were made by generated code of opentelemetry-proto. */
static void test_bytes_of_generated_code(void **state)
{
    (void)state;
    static const struct metric_desc ready = {
        .name = TEXT("k8s.node.condition_ready"), .unit = TEXT("1"), .type = METRIC_GAUGE};
    struct scope *s;
    struct batch *b = plain(SIGNAL_METRICS, &s);
    b->resources->attributes = ATTRIBUTES(b, ATTR_STR("k8s.node.name", "n1"));
    s->name = STR("kube");
    s->version = STR("1.0");
    struct point *p = plain_point(b, s, &ready);
    p->time_ns = T1700;
    p->value = VALUE_OF_INT(1);
    assert_request(b, "0a5d 0a17 0a15 0a0d6b38732e6e6f64652e6e616d65 1204 0a026e31 1242 0a0b "
                      "0a046b756265 1203312e30"
                      "1233 0a186b38732e6e6f64652e636f6e646974696f6e5f7265616479 1a0131"
                      "2a14 0a12 190000 2a36fe9c9717 31 0100000000000000");

    b = plain(SIGNAL_METRICS, &s);
    p = plain_point(b, s, &g);
    p->time_ns = 1;
    p->value = VALUE_OF_INT(-2);
    assert_request(b, "0a1d121b12190a01672a140a1219010000000000000031feffffffffffffff");

    b = plain(SIGNAL_LOGS, &s);
    struct log_record *r = batch_log(b, s);
    r->time_ns = T1700;
    r->severity = 9;
    r->severity_text = STR("Normal");
    r->body = VALUE_OF_STR(STR("hi"));
    assert_request(b, "0a1d121b12190900002a36fe9c971710091a064e6f726d616c2a040a026869");

    b = plain(SIGNAL_METRICS, &s);
    static const uint64_t counts[] = {1, 2}, exp_counts[] = {1, 300};
    static const double bounds[] = {0.5};
    static const struct histogram h = {.count = 3,
                                       .has_sum = true,
                                       .bucket_counts = counts,
                                       .bucket_count = 2,
                                       .bounds = bounds,
                                       .bound_count = 1};
    plain_point(b, s, &nameless_histogram)->histogram = &h;
    assert_request(b, "0a36 1234 1232 4a30 0a2e"
                      "2103000000000000002900000000000000003210010000000000000002000000000000003a08"
                      "000000000000e03f");

    b = plain(SIGNAL_METRICS, &s);
    static const struct exp_histogram e = {.scale = -1, .positive = {-2, exp_counts, 2}};
    plain_point(b, s, &nameless_exp)->exp_histogram = &e;
    assert_request(b, "0a13 1211 120f 520d 0a0b 300142070803120301ac02");
}

/* Oneof members are written even when they are 0, a number without a value is not; minus zero is
 * not zero. */
static void test_zero_values(void **state)
{
    (void)state;
    struct scope *s;
    struct batch *b = plain(SIGNAL_METRICS, &s);
    struct metric *m = batch_metric(b, s, &g);
    batch_point(b, m)->value = VALUE_OF_INT(0);
    batch_point(b, m)->value = VALUE_OF_DOUBLE(0);
    batch_point(b, m);
    assert_request(
        b, "0a21 121f 121d 0a0167 2a18 0a09 310000000000000000 0a09 210000000000000000 0a00");

    static const struct metric_desc summary = {.type = METRIC_SUMMARY};
    static const struct summary minus = {.sum = -0.0};
    b = plain(SIGNAL_METRICS, &s);
    plain_point(b, s, &summary)->summary = &minus;
    assert_request(b, "0a11 120f 120d 5a0b 0a09 290000000000000080");

    b = plain(SIGNAL_LOGS, &s);
    struct log_record *r = batch_log(b, s);
    r->body = VALUE_OF_STR(STR_NONE);
    r->severity = -1;
    r->attributes =
        ATTRIBUTES(b, ATTR_EMPTY("e"), ATTR_STR("", ""), ATTR_BOOL("f", false), ATTR_INT("i", 0));
    assert_request(b,
                   "0a32 1230 122e 10ffffffffffffffffff01 2a020a00"
                   "3205 0a0165 1200 3204 1202 0a00 3207 0a0166 1202 1000 3207 0a0169 1202 1800");
}

static void test_containers_without_items(void **state)
{
    (void)state;
    struct buf out;
    size_t item_count;
    struct otlp_cursor c;
    buf_init(&out, 100);
    struct batch *b = batch_new(SIGNAL_TRACES);
    otlp_cursor_init(&c, b, 100);
    assert_int_equal(otlp_next(&c, &out, &item_count), OTLP_END);
    batch_unref(b);

    b = batch_new(SIGNAL_TRACES);
    batch_resource(b)->schema_url = STR("u");
    batch_scope(b, batch_resource(b));
    batch_scope(b, b->last_resource);
    assert_request(b, "0a03 1a0175 0a04 1200 1200");

    b = batch_new(SIGNAL_METRICS);
    batch_metric(b, batch_scope(b, batch_resource(b)), &g);
    static const struct metric_desc untyped = {.name = TEXT("e")};
    batch_metric(b, b->resources->scopes, &untyped);
    assert_request(b, "0a0e 120c 1205 0a0167 2a00 1203 0a0165");

    /* What does not fit is passed over without a word. */
    b = batch_new(SIGNAL_LOGS);
    batch_resource(b)->schema_url = STR("a long one");
    batch_log(b, batch_scope(b, batch_resource(b)))->severity = 1;
    otlp_cursor_init(&c, b, 8);
    assert_int_equal(otlp_next(&c, &out, &item_count), OTLP_REQUEST);
    assert_int_equal(item_count, 1);
    assert_int_equal(out.len, 8);
    buf_clear(&out);
    assert_int_equal(otlp_next(&c, &out, &item_count), OTLP_END);
    buf_deinit(&out);
    batch_unref(b);
}

static void check_mended(const char *text, size_t len, const char *expected_hex)
{
    struct scope *s;
    struct batch *b = plain(SIGNAL_LOGS, &s);
    batch_log(b, s)->severity_text = str_make(text, len);
    size_t size = strlen(expected_hex) / 2;
    char expected[256];
    snprintf(expected, sizeof expected, "0a%02zx 12%02zx 12%02zx 1a%02zx %s", size + 6, size + 4,
             size + 2, size, expected_hex);
    assert_request(b, expected);
}

/* One U+FFFD (efbfbd) for each byte that is not UTF-8, as Go does it. */
static void test_texts_are_mended(void **state)
{
    (void)state;
    check_mended("a\0b", 3, "610062"); /* NUL is a character */
    check_mended("\xc3\xa9\xf0\x9f\x98\x80", 6, "c3a9f09f9880");
    check_mended("\xff", 1, "efbfbd");
    check_mended("ab\xe2\x82", 4, "6162efbfbdefbfbd");
    check_mended("\xc0\xaf", 2, "efbfbdefbfbd");                     /* overlong */
    check_mended("\xed\xa0\x80", 3, "efbfbdefbfbdefbfbd");           /* surrogate */
    check_mended("\xf4\x90\x80\x80", 4, "efbfbdefbfbdefbfbdefbfbd"); /* past U+10FFFF */
    check_mended("12345678\x80"
                 "12345678",
                 17, "3132333435363738efbfbd3132333435363738");
    check_mended("\xe2\x82\xac\x82x", 5, "e282acefbfbd78");

    /* All texts of an item are written right when one of them is mended, the nested ones too. */
    struct scope *s;
    struct batch *b = plain(SIGNAL_LOGS, &s);
    const struct attribute inner[] = {ATTR_STR("k\xfe", "v"), ATTR_STR("k", "\xfd")};
    batch_log(b, s)->attributes = ATTRIBUTES(b, ATTR_STR("good", "text"), ATTR_MAP("map", inner));
    b->resources->attributes = ATTRIBUTES(b, ATTR_STR("\x80", "r"));
    b->resources->schema_url = STR("\x81");
    s->name = STR("\x82");
    assert_request(b, "0a52 0a0c 0a0a 0a03efbfbd 1203 0a0172"
                      "123d 0a05 0a03efbfbd 1234"
                      "320e 0a04676f6f64 1206 0a0474657874"
                      "3222 0a036d6170 121b 3219"
                      "0a0b 0a046befbfbd 1203 0a0176 0a0a 0a016b 1205 0a03efbfbd"
                      "1a03efbfbd");

    /* Bytes are not text. */
    b = plain(SIGNAL_LOGS, &s);
    batch_log(b, s)->body = (struct value){.kind = VALUE_BYTES, .text = STR("\xff")};
    assert_request(b, "0a09 1207 1205 2a03 3a01ff");
}

static void flatten_all(struct otlp_leaves *l, const struct batch *b)
{
    struct otlp_cursor c;
    struct buf out;
    size_t item_count;
    buf_init(&out, 64 * MIB);
    otlp_cursor_init(&c, b, SIZE_MAX);
    assert_int_equal(otlp_next(&c, &out, &item_count), OTLP_REQUEST);
    assert_int_equal(item_count, b->item_count);
    otlp_flatten(l, b->signal, buf_view(&out));
    assert_false(l->failed);
    buf_deinit(&out);
}

/* Leaves `expected[*at]` and following, of which those that are too large for `request_max` are
 * passed over, must be those of `got`. */
static void match_leaves(const struct otlp_leaves *expected, size_t *at,
                         const struct otlp_leaves *got)
{
    for (size_t i = 0; i < got->count; i++) {
        while (*at < expected->count && !expected->items[*at].is_item &&
               !otlp_leaf_eq(expected->items[*at], got->items[i]))
            (*at)++; /* a container without items that was too large */
        assert_true(*at < expected->count);
        assert_true(otlp_leaf_eq(expected->items[*at], got->items[i]));
        (*at)++;
    }
}

static void check_cut(const struct batch *b, const struct otlp_leaves *expected, size_t request_max,
                      struct buf *out)
{
    struct otlp_cursor c;
    otlp_cursor_init(&c, b, request_max);
    size_t at = 0, item_count, items = 0;
    struct otlp_leaves got = {0};
    for (;;) {
        buf_clear(out);
        enum otlp_step step = otlp_next(&c, out, &item_count);
        items += item_count;
        if (step == OTLP_END)
            break;
        if (step == OTLP_ITEM_TOO_LARGE) {
            assert_int_equal(item_count, 1);
            assert_int_equal(out->len, 0);
            while (at < expected->count && !expected->items[at].is_item)
                at++;
            at++;
            continue;
        }
        assert_true(out->len > 0 && out->len <= request_max);
        got.count = 0;
        otlp_flatten(&got, b->signal, buf_view(out));
        assert_false(got.failed);
        size_t found = 0;
        for (size_t i = 0; i < got.count; i++)
            found += got.items[i].is_item;
        assert_int_equal(found, item_count);
        match_leaves(expected, &at, &got);
    }
    for (; at < expected->count; at++)
        assert_false(expected->items[at].is_item);
    assert_int_equal(items, b->item_count);
    mem_free(got.items);
}

/* Every way to cut the golden batches, byte by byte. */
static void test_cut_anywhere(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(golden_batches); i++) {
        struct batch *b = golden_batches[i].make();
        struct otlp_leaves expected = {0};
        flatten_all(&expected, b);
        assert_true(expected.count >= b->item_count);
        struct buf out;
        buf_init(&out, MIB);
        for (size_t max = 0; max < 7000; max += 1 + max / 1024)
            check_cut(b, &expected, max, &out);
        buf_deinit(&out);
        mem_free(expected.items);
        batch_unref(b);
    }
}

/* The first request grows by one leaf exactly at the limit that the leaf needs, never later. */
static void test_requests_are_as_full_as_they_can_be(void **state)
{
    (void)state;
    for (size_t i = 0; i < COUNT_OF(golden_batches); i++) {
        struct batch *b = golden_batches[i].make();
        struct buf out;
        buf_init(&out, MIB);
        size_t before = 0;
        for (size_t max = 1; max < 7000; max++) {
            struct otlp_cursor c;
            size_t item_count;
            otlp_cursor_init(&c, b, max);
            buf_clear(&out);
            if (otlp_next(&c, &out, &item_count) != OTLP_REQUEST)
                continue;
            struct otlp_leaves got = {0};
            otlp_flatten(&got, b->signal, buf_view(&out));
            if (got.count != before) {
                assert_int_equal(got.count, before + 1);
                assert_int_equal(out.len, max);
            }
            before = got.count;
            mem_free(got.items);
        }
        assert_true(before >= b->item_count);
        buf_deinit(&out);
        batch_unref(b);
    }
}

static size_t request_size(const struct batch *b, size_t request_max, struct buf *out,
                           enum otlp_step *second)
{
    struct otlp_cursor c;
    size_t item_count;
    buf_clear(out);
    otlp_cursor_init(&c, b, request_max);
    assert_int_equal(otlp_next(&c, out, &item_count), OTLP_REQUEST);
    size_t size = out->len;
    buf_clear(out);
    *second = otlp_next(&c, out, &item_count);
    return size;
}

/* Where lengths of containers come to take one byte more: 128, 16 KiB, 2 MiB. */
static void check_many_points(size_t point_count, bool whole_check)
{
    struct scope *s;
    struct batch *b = plain(SIGNAL_METRICS, &s);
    b->resources->schema_url = s->schema_url = STR("https://a.example/1");
    struct metric *m = batch_metric(b, s, &m_sum);
    for (size_t i = 0; i < point_count; i++)
        batch_point(b, m)->value = VALUE_OF_INT((int64_t)i);
    struct buf out;
    buf_init(&out, 64 * MIB);
    enum otlp_step second;
    size_t size = request_size(b, SIZE_MAX, &out, &second);
    assert_int_equal(second, OTLP_END);
    struct buf tight;
    buf_init(&tight, size); /* not a byte more is ever needed */
    assert_int_equal(request_size(b, SIZE_MAX, &tight, &second), size);
    assert_false(tight.overflow);
    if (whole_check) {
        struct otlp_leaves expected = {0};
        flatten_all(&expected, b);
        assert_int_equal(expected.count, point_count);
        check_cut(b, &expected, size, &tight);
        check_cut(b, &expected, size - 1, &tight);
        check_cut(b, &expected, size / 2, &tight);
        mem_free(expected.items);
    }
    if (point_count > 1) {
        request_size(b, size - 1, &out, &second);
        assert_int_equal(second, OTLP_REQUEST);
    }
    buf_deinit(&tight);
    buf_deinit(&out);
    batch_unref(b);
}

static void test_lengths_grow(void **state)
{
    (void)state;
    for (size_t count = 1; count < 40; count++)
        check_many_points(count, true); /* 11 bytes each */
    for (size_t count = 1475; count < 1500; count++)
        check_many_points(count, count % 5 == 0);
    check_many_points(190647, false);
    for (size_t count = 190650; count < 190653; count++)
        check_many_points(count, false);
    check_many_points(200000, true);
}

/* The message of the first metric in a request of one resource and one scope without attributes. */
static str first_metric(str request)
{
    struct pb p;
    for (int level = 0; level < 3; level++) {
        pb_init(&p, request);
        assert_true(pb_next(&p));
        request = pb_bytes(&p);
    }
    return request;
}

/* More descriptors than heads are kept, heads too long to be kept, and ones that need mending: each metric is the same as in a
 * request of its own. */
static void test_heads_of_many_metrics(void **state)
{
    (void)state;
    enum { COUNT = 100, ROUNDS = 2 };
    static struct metric_desc descs[COUNT];
    static char text[COUNT * 8], names[COUNT][16];
    memset(text, 'd', sizeof text);
    struct buf all, alone;
    struct scope *s;
    struct batch *b = plain(SIGNAL_METRICS, &s);
    buf_init(&all, MIB);
    buf_init(&alone, MIB);
    for (size_t i = 0; i < COUNT * ROUNDS; i++) {
        size_t d = i % COUNT;
        (void)snprintf(names[d], sizeof names[d], d % 10 == 3 ? "metric-%zu\xff" : "metric-%zu", d);
        descs[d] = (struct metric_desc){.name = str_from(names[d]),
                                        .description = str_make(text, d * 8),
                                        .unit = STR("By"),
                                        .type = METRIC_GAUGE};
        batch_point(b, batch_metric(b, s, &descs[d]))->value = VALUE_OF_INT((int64_t)d);
    }
    struct otlp_cursor c;
    size_t item_count, at;
    otlp_cursor_init(&c, b, MIB);
    assert_int_equal(otlp_next(&c, &all, &item_count), OTLP_REQUEST);
    assert_int_equal(item_count, COUNT * ROUNDS);
    str rest = buf_view(&all);
    for (size_t i = 0; i < COUNT * ROUNDS; i++) {
        struct batch *one = plain(SIGNAL_METRICS, &s);
        batch_point(one, batch_metric(one, s, &descs[i % COUNT]))->value =
            VALUE_OF_INT((int64_t)(i % COUNT));
        otlp_cursor_init(&c, one, MIB);
        buf_clear(&alone);
        assert_int_equal(otlp_next(&c, &alone, &item_count), OTLP_REQUEST);
        str metric = first_metric(buf_view(&alone));
        assert_true(str_find(rest, metric, &at) && at < 32); /* in order */
        rest = str_skip(rest, at + metric.len);
        batch_unref(one);
    }
    assert_int_equal(rest.len, 0);
    buf_deinit(&all);
    buf_deinit(&alone);
    batch_unref(b);
}

static void test_item_too_large(void **state)
{
    (void)state;
    struct scope *s;
    struct batch *b = plain(SIGNAL_LOGS, &s);
    static char large[1000];
    memset(large, 'x', sizeof large);
    batch_log(b, s)->severity = 1;
    batch_log(b, s)->severity_text = str_make(large, sizeof large);
    batch_log(b, s)->severity = 3;
    struct buf out;
    buf_init(&out, MIB);
    struct otlp_cursor c;
    size_t item_count;
    otlp_cursor_init(&c, b, 1000);
    assert_int_equal(otlp_next(&c, &out, &item_count), OTLP_REQUEST);
    assert_int_equal(item_count, 1);
    buf_clear(&out);
    assert_int_equal(otlp_next(&c, &out, &item_count), OTLP_ITEM_TOO_LARGE);
    assert_int_equal(item_count, 1);
    assert_int_equal(out.len, 0);
    assert_int_equal(otlp_next(&c, &out, &item_count), OTLP_REQUEST);
    assert_int_equal(item_count, 1);
    buf_clear(&out);
    assert_int_equal(otlp_next(&c, &out, &item_count), OTLP_END);
    /* A resource that does not fit takes each of its items along. */
    b->resources->attributes =
        ATTRIBUTES(b, {STR("a"), VALUE_OF_STR(str_make(large, sizeof large))});
    otlp_cursor_init(&c, b, 1000);
    for (int i = 0; i < 3; i++)
        assert_int_equal(otlp_next(&c, &out, &item_count), OTLP_ITEM_TOO_LARGE);
    assert_int_equal(otlp_next(&c, &out, &item_count), OTLP_END);
    buf_deinit(&out);
    batch_unref(b);
}

static void test_deep_values_end(void **state)
{
    (void)state;
    static struct value deep[2 * LIMIT_VALUE_DEPTH];
    for (size_t i = 0; i < COUNT_OF(deep); i++) {
        deep[i] = (struct value){.kind = VALUE_SLICE};
        if (i + 1 < COUNT_OF(deep)) {
            deep[i].slice.items = &deep[i + 1];
            deep[i].slice.count = 1;
        }
    }
    struct scope *s;
    struct batch *b = plain(SIGNAL_LOGS, &s);
    batch_log(b, s)->body = deep[0];
    struct buf out;
    buf_init(&out, MIB);
    struct otlp_cursor c;
    size_t item_count, depth = 0;
    otlp_cursor_init(&c, b, MIB);
    assert_int_equal(otlp_next(&c, &out, &item_count), OTLP_REQUEST);
    struct pb p;
    pb_init(&p, buf_view(&out));
    static const uint32_t path[] = {1, 2, 2, 5};
    for (size_t i = 0; i < COUNT_OF(path); i++) {
        assert_true(pb_next(&p));
        assert_int_equal(p.field, path[i]);
        p = pb_message(&p);
    }
    for (; pb_next(&p); depth++) {
        assert_int_equal(p.field, 5);
        p = pb_message(&p);
        if (!pb_next(&p))
            break;
        p = pb_message(&p);
    }
    assert_false(pb_failed(&p));
    assert_int_equal(depth, LIMIT_VALUE_DEPTH);
    buf_deinit(&out);
    batch_unref(b);
}

/* The fields `path` of nested messages, the last of which is a text. */
static str inner_text(str message, const uint32_t *path, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct pb p;
        pb_init(&p, message);
        bool found = false;
        while (!found && pb_next(&p)) {
            found = p.field == path[i];
            if (found)
                message = pb_bytes(&p);
            else
                pb_skip(&p);
        }
        assert_false(pb_failed(&p));
        assert_true(found);
    }
    return message;
}

/* `mended`: another text in the request is not UTF-8, so that all take the long way. */
static void check_attribute(size_t key_len, size_t text_len, bool mended)
{
    static const char letters[] =
        "The quick brown fox jumps over the lazy dog 0123456789 and comes "
        "back again for more of the same, till all lengths have been seen "
        "that a byte can hold, and then some more of them, as one never "
        "knows what comes next.";
    static const uint32_t key_path[] = {1, 2, 2, 6, 1}, text_path[] = {1, 2, 2, 6, 2, 1};
    struct scope *s;
    struct batch *b = plain(SIGNAL_LOGS, &s);
    struct log_record *r = batch_log(b, s);
    struct attribute a = {.key = str_make(letters, key_len),
                          .value = VALUE_OF_STR(str_make(letters + 1, text_len))};
    r->attributes = batch_attributes(b, &a, 1);
    if (mended)
        r->severity_text = STR("\xff");
    struct otlp_cursor c;
    struct buf out;
    size_t item_count;
    buf_init(&out, MIB);
    otlp_cursor_init(&c, b, SIZE_MAX);
    assert_int_equal(otlp_next(&c, &out, &item_count), OTLP_REQUEST);
    if (key_len > 0)
        assert_true(str_eq(inner_text(buf_view(&out), key_path, COUNT_OF(key_path)), a.key));
    assert_true(str_eq(inner_text(buf_view(&out), text_path, COUNT_OF(text_path)), a.value.text));
    buf_deinit(&out);
    batch_unref(b);
}

/* Short texts are written in pieces of fixed size, and lengths below 128 in one byte. */
static void test_attributes_of_all_lengths(void **state)
{
    (void)state;
    static const size_t lengths[] = {0,   1,   2,   3,   4,   5,   7,   8,   9,   12,
                                     15,  16,  17,  24,  31,  32,  33,  60,  61,  64,
                                     112, 113, 114, 115, 116, 117, 118, 119, 120, 121,
                                     122, 123, 124, 125, 126, 127, 128, 129, 200};
    for (size_t i = 0; i < COUNT_OF(lengths); i++)
        for (size_t k = 0; k < COUNT_OF(lengths); k++) {
            check_attribute(lengths[i], lengths[k], false);
            check_attribute(lengths[i], lengths[k], true);
        }
}

/* Wherever the one byte stands that is not ASCII: mended, if it is not UTF-8 either. */
static void test_a_byte_to_mend_is_seen_at_each_place(void **state)
{
    (void)state;
    static const uint32_t path[] = {1, 2, 2, 6, 2, 1};
    for (size_t len = 1; len < 40; len++)
        for (size_t at = 0; at < len; at++) {
            char text[40], expected[44];
            memset(text, 'a', sizeof text);
            memset(expected, 'a', sizeof expected);
            text[at] = '\xff';
            memcpy(expected + at, "\xef\xbf\xbd", 3);
            struct scope *s;
            struct batch *b = plain(SIGNAL_LOGS, &s);
            struct attribute a = {.key = STR("key"), .value = VALUE_OF_STR(str_make(text, len))};
            batch_log(b, s)->attributes = batch_attributes(b, &a, 1);
            struct otlp_cursor c;
            struct buf out;
            size_t item_count;
            buf_init(&out, MIB);
            otlp_cursor_init(&c, b, SIZE_MAX);
            assert_int_equal(otlp_next(&c, &out, &item_count), OTLP_REQUEST);
            assert_true(str_eq(inner_text(buf_view(&out), path, COUNT_OF(path)),
                               str_make(expected, len + 2)));
            buf_deinit(&out);
            batch_unref(b);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bytes_of_generated_code),
        cmocka_unit_test(test_zero_values),
        cmocka_unit_test(test_containers_without_items),
        cmocka_unit_test(test_texts_are_mended),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_requests_are_as_full_as_they_can_be),
        cmocka_unit_test(test_lengths_grow),
        cmocka_unit_test(test_heads_of_many_metrics),
        cmocka_unit_test(test_item_too_large),
        cmocka_unit_test(test_deep_values_end),
        cmocka_unit_test(test_attributes_of_all_lengths),
        cmocka_unit_test(test_a_byte_to_mend_is_seen_at_each_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
