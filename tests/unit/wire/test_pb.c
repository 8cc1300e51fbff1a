/*
 * Protobuf: messages that protoc and Python serialised, byte for byte; what must be refused; and
 * protoc --decode_raw, which has to see in random messages of ours what we see in them.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "wire/pb.h"
#include "wire/text.h"

static void from_hex(struct buf *b, const char *hex)
{
    buf_clear(b);
    for (; hex[0] != '\0'; hex += 2) {
        const char pair[3] = {hex[0], hex[1], '\0'};
        buf_byte(b, (char)strtol(pair, NULL, 16));
    }
}

static void check_hex(const struct buf *b, const char *want)
{
    struct buf hex;
    buf_init(&hex, 10000);
    hex_encode(&hex, buf_view(b));
    assert_string_equal(buf_cstr(&hex), want);
    buf_deinit(&hex);
}

/* ExportMetricsServiceRequest, serialised by Python from the OpenTelemetry schema. */
static void test_write_metrics(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    size_t request = pb_open(&b, 1), resource = pb_open(&b, 1), attribute = pb_open(&b, 1);
    pb_put_bytes(&b, 1, STR("k8s.node.name"));
    size_t value = pb_open(&b, 2);
    pb_put_bytes(&b, 1, STR("n1"));
    pb_close(&b, value);
    pb_close(&b, attribute);
    pb_close(&b, resource);
    size_t scope_metrics = pb_open(&b, 2), scope = pb_open(&b, 1);
    pb_put_bytes(&b, 1, STR("kube"));
    pb_put_bytes(&b, 2, STR("1.0"));
    pb_close(&b, scope);
    size_t metric = pb_open(&b, 2);
    pb_put_bytes(&b, 1, STR("k8s.node.condition_ready"));
    pb_put_bytes(&b, 2, STR(""));
    pb_put_bytes(&b, 3, STR("1"));
    size_t gauge = pb_open(&b, 5), point = pb_open(&b, 1);
    pb_put_fixed64(&b, 2, 0);
    pb_put_fixed64(&b, 3, UINT64_C(1700000000000000000));
    pb_put_fixed64_always(&b, 6, 1);
    pb_close(&b, point);
    pb_close(&b, gauge);
    pb_close(&b, metric);
    pb_close(&b, scope_metrics);
    pb_close(&b, request);
    check_hex(&b,
              "0a5d0a170a150a0d6b38732e6e6f64652e6e616d6512040a026e3112420a0b0a046b7562651203312e30"
              "12330a186b38732e6e6f64652e"
              "636f6e646974696f6e5f72656164791a01312a140a121900002a36fe9c9717310100000000000000");
    buf_deinit(&b);
}

static void test_write_others(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    pb_put_fixed64_always(&b, 4, 3); /* HistogramDataPoint */
    pb_put_double_always(&b, 5, 0);
    size_t packed = pb_open(&b, 6);
    const uint64_t counts[] = {1, 2};
    buf_append(&b, counts, sizeof counts);
    pb_close(&b, packed);
    const double bound = 0.5;
    pb_put_bytes(&b, 7, str_make((const char *)&bound, sizeof bound));
    check_hex(&b, "2103000000000000002900000000000000003210010000000000000002000000000000003a080000"
                  "00000000e03f");
    buf_clear(&b);
    pb_put_zigzag(&b, 6, -1); /* ExponentialHistogramDataPoint */
    pb_put_zigzag(&b, 7, 0);
    size_t buckets = pb_open(&b, 8);
    pb_put_zigzag(&b, 1, -2);
    packed = pb_open(&b, 2);
    pb_put_varint_raw(&b, 1);
    pb_put_varint_raw(&b, 300);
    pb_close(&b, packed);
    pb_close(&b, buckets);
    check_hex(&b, "300142070803120301ac02");
    buf_clear(&b);
    pb_put_u64(&b, 1, 0);
    pb_put_u64_always(&b, 2, 0);
    pb_put_u64(&b, 3, (uint64_t)INT64_C(-1)); /* a negative int32 has ten bytes */
    pb_put_fixed32(&b, 4, 0);
    pb_put_fixed32(&b, 5, 0x01020304);
    pb_put_bytes_always(&b, 6, STR_NONE);
    pb_put_u64(&b, 536870911, 1);
    pb_put_zigzag(&b, 7, INT64_MIN);
    pb_close(&b, pb_open(&b, 8));
    check_hex(&b, "100018ffffffffffffffffff012d040302013200f8ffffff0f0138ffffffffffffffffff014200");
    buf_deinit(&b);
}

/* A Lease as the API server returns it, by Python from the Kubernetes schema, without the
 * envelope's magic. */
static const char lease_server[] =
    "0a1f0a16636f6f7264696e6174696f6e2e6b38732e696f2f763112054c6561736512730a490a066f74656c2d631200"
    "1a036f627322002a2436663936313966662d386238"
    "362d643031312d623432642d3030636634666339363466663204343731313800420808a5ebdcca06100012260a0570"
    "6f642d61100f1a0b08a5ebdcca06108094ef3a22"
    "0c08afebdcca061080cab5ee0128001a002200";

static void read_time(struct pb *p, int64_t *seconds, int32_t *nanos)
{
    struct pb time = pb_message(p);
    while (pb_next(&time)) {
        if (time.field == 1)
            *seconds = pb_i64(&time);
        else if (time.field == 2)
            *nanos = pb_i32(&time);
        else
            pb_skip(&time);
    }
    pb_join(p, &time);
}

static void test_read_lease(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1000);
    from_hex(&b, lease_server);
    assert_int_equal(b.len, 154); /* 158 with the magic */
    struct pb unknown, raw = {0}, spec = {0};
    pb_init(&unknown, buf_view(&b));
    while (pb_next(&unknown)) {
        if (unknown.field == 2)
            raw = pb_message(&unknown);
        else
            pb_skip(&unknown);
    }
    assert_true(pb_finish(&unknown, "Unknown", NULL));
    while (pb_next(&raw)) {
        if (raw.field == 2)
            spec = pb_message(&raw);
        else
            pb_skip(&raw);
    }
    str holder = STR_NONE;
    int32_t duration = 0, transitions = -1, nanos = 0;
    int64_t seconds = 0;
    while (pb_next(&spec)) {
        switch (spec.field) {
        case 1:
            holder = pb_bytes(&spec);
            break;
        case 2:
            duration = pb_i32(&spec);
            break;
        case 4:
            read_time(&spec, &seconds, &nanos);
            break;
        case 5:
            transitions = pb_i32(&spec);
            break;
        default:
            pb_skip(&spec);
        }
    }
    assert_true(pb_finish(&spec, "LeaseSpec", NULL));
    assert_true(str_eqz(holder, "pod-a"));
    assert_int_equal(duration, 15);
    assert_int_equal(seconds, 1767323055);
    assert_int_equal(nanos, 500000000);
    assert_int_equal(transitions, 0);
    buf_deinit(&b);
}

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        const char *hex, *error;
    } bad[] = {
        {"00", "field number out of range at byte 0"},
        {"0001", "field number out of range at byte 0"},
        {"808080801001", "field number out of range at byte 0"},
        {"0a0001", "field number out of range"}, /* tag 01 is field 0 */
        {"0b0c", "group"},
        {"0c", "group"},
        {"0e", "wire type at byte 0"},
        {"0f", "wire type"},
        {"80", "end within a varint at byte 0"},
        {"08", "end within a varint at byte 1"},
        {"08ff", "end within a varint at byte 1"},
        {"08ffffffffffffffffff02", "more than 64 bits at byte 1"},
        {"08ffffffffffffffffffff01", "more than 64 bits at byte 1"},
        {"0880808080808080808080", "more than 64 bits"},
        {"0a", "end within a varint"},
        {"0a01", "length that goes past the end at byte 1"},
        {"0affffffffffffffffff01", "length that goes past the end at byte 1"},
        {"0901020304050607", "length that goes past the end at byte 1"},
        {"0d010203", "length that goes past the end at byte 1"},
    };
    struct buf b;
    buf_init(&b, 100);
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct err err = {0};
        struct pb p;
        from_hex(&b, bad[i].hex);
        /* A copy of the exact size, so that the sanitizer sees reads past the end. */
        char *exact = str_dup(buf_view(&b));
        pb_init(&p, str_make(exact, b.len));
        while (pb_next(&p))
            pb_skip(&p);
        if (pb_finish(&p, "m", &err) || strstr(err.text, bad[i].error) == NULL)
            fail_msg("%s: %s", bad[i].hex, err.text);
        assert_false(pb_next(&p));
        mem_free(exact);
    }
    buf_deinit(&b);
}

static void test_values(void **state)
{
    (void)state;
    struct buf b;
    struct pb p;
    buf_init(&b, 100);
    from_hex(&b, "08ffffffffffffffffff01");
    pb_init(&p, buf_view(&b));
    assert_true(pb_next(&p));
    assert_true(pb_u64(&p) == UINT64_MAX);
    assert_false(pb_next(&p));
    assert_false(pb_failed(&p));
    pb_init(&p, buf_view(&b));
    assert_true(pb_next(&p) && pb_i64(&p) == -1);
    pb_init(&p, buf_view(&b));
    assert_true(pb_next(&p) && pb_i32(&p) == -1);
    pb_init(&p, buf_view(&b));
    assert_true(pb_next(&p) && pb_zigzag(&p) == INT64_MIN);
    from_hex(&b, "0880808080900110808080808020200128033002"); /* truncation; bool of 2^41; zigzag */
    pb_init(&p, buf_view(&b));
    assert_true(pb_next(&p) && pb_i32(&p) == 0);
    assert_true(pb_next(&p) && pb_bool(&p));
    assert_true(pb_next(&p) && pb_zigzag(&p) == -1);
    assert_true(pb_next(&p) && pb_zigzag(&p) == -2);
    assert_true(pb_next(&p) && pb_zigzag(&p) == 1);
    assert_false(pb_next(&p));
    assert_false(pb_failed(&p));
    from_hex(&b,
             "09182d4454fb210940150102030488008100"); /* pi; fixed32; the last two not minimal */
    pb_init(&p, buf_view(&b));
    assert_true(pb_next(&p));
    double pi = pb_double(&p);
    assert_true(pi > 3.14159265358979 && pi < 3.1415926535898);
    assert_true(pb_next(&p) && pb_fixed32(&p) == 0x04030201);
    assert_true(pb_next(&p) && p.field == 1 && pb_u64(&p) == 1);
    pb_init(&p, STR_NONE);
    assert_false(pb_next(&p));
    assert_true(pb_finish(&p, "empty", NULL));
    buf_deinit(&b);
}

/* Each reader refuses each other wire type, for good. */
static void test_wire_types(void **state)
{
    (void)state;
    static const char *const fields[] = {"0801", "090000000000000001", "0a0161", NULL,
                                         NULL,   "0d00000001"};
    for (int wire = 0; wire < 6; wire++) {
        if (fields[wire] == NULL)
            continue;
        for (int reader = 0; reader < 9; reader++) {
            static const int expects[] = {0, 0, 0, 0, 0, 1, 1, 5, 2};
            struct buf b;
            struct pb p;
            buf_init(&b, 100);
            from_hex(&b, fields[wire]);
            pb_init(&p, buf_view(&b));
            assert_true(pb_next(&p));
            uint64_t got = reader == 0   ? pb_u64(&p)
                           : reader == 1 ? (uint64_t)pb_i64(&p)
                           : reader == 2 ? (uint64_t)pb_i32(&p)
                           : reader == 3 ? (uint64_t)pb_bool(&p)
                           : reader == 4 ? (uint64_t)-pb_zigzag(&p)
                           : reader == 5 ? pb_fixed64(&p)
                           : reader == 6 ? (uint64_t)(pb_double(&p) > 0)
                           : reader == 7 ? pb_fixed32(&p)
                                         : pb_bytes(&p).len;
            assert_int_equal(pb_failed(&p), wire != expects[reader]);
            assert_int_equal(got > 0, wire == expects[reader]);
            buf_deinit(&b);
        }
    }
}

static void test_errors_of_nested_messages(void **state)
{
    (void)state;
    struct buf b;
    struct err err;
    buf_init(&b, 100);
    from_hex(&b, "0801120a08011204080112ff0000"); /* the innermost length goes past its end */
    struct pb p, child, grandchild;
    pb_init(&p, buf_view(&b));
    assert_true(pb_next(&p));
    pb_skip(&p);
    assert_true(pb_next(&p));
    child = pb_message(&p);
    assert_true(pb_next(&child));
    pb_skip(&child);
    assert_true(pb_next(&child));
    grandchild = pb_message(&child);
    while (pb_next(&grandchild))
        pb_skip(&grandchild);
    assert_true(pb_failed(&grandchild));
    assert_false(pb_failed(&child));
    pb_join(&child, &grandchild);
    pb_join(&p, &child);
    assert_false(pb_next(&p));
    assert_false(pb_finish(&p, "Pod", &err));
    assert_string_equal(err.text,
                        "Pod: the bytes end within a varint at byte 11"); /* in the outermost */
    buf_deinit(&b);
}

static void test_packed(void **state)
{
    (void)state;
    struct buf b;
    struct pb p, packed;
    uint64_t n = 0;
    buf_init(&b, 100);
    from_hex(&b, "1a0301ac02");
    pb_init(&p, buf_view(&b));
    assert_true(pb_next(&p));
    packed = pb_message(&p);
    assert_true(pb_packed_u64(&packed, &n) && n == 1);
    assert_true(pb_packed_u64(&packed, &n) && n == 300);
    assert_false(pb_packed_u64(&packed, &n));
    assert_false(pb_failed(&packed));
    from_hex(&b, "1a0201ac");
    pb_init(&p, buf_view(&b));
    assert_true(pb_next(&p));
    packed = pb_message(&p);
    assert_true(pb_packed_u64(&packed, &n) && n == 1);
    assert_false(pb_packed_u64(&packed, &n));
    assert_true(pb_failed(&packed) && n == 1);
    from_hex(&b, "1a0901000000000000000200000000000000");
    b.data[1] = 16;
    pb_init(&p, buf_view(&b));
    assert_true(pb_next(&p));
    packed = pb_message(&p);
    assert_true(pb_packed_fixed64(&packed, &n) && n == 1);
    assert_true(pb_packed_fixed64(&packed, &n) && n == 2);
    assert_false(pb_packed_fixed64(&packed, &n) || pb_failed(&packed));
    b.data[1] = 15;
    pb_init(&p, buf_view(&b));
    assert_true(pb_next(&p));
    packed = pb_message(&p);
    assert_true(pb_packed_fixed64(&packed, &n) && n == 1);
    assert_false(pb_packed_fixed64(&packed, &n));
    assert_true(pb_failed(&packed));
    buf_deinit(&b);
}

/* Lengths of every size, three levels deep, so that closing moves bodies that were moved before. */
static void test_nested_lengths(void **state)
{
    (void)state;
    static char body[20000];
    memset(body, 'x', sizeof body);
    for (size_t len = 0; len < sizeof body; len = len < 300 ? len + 1 : len * 5 / 4) {
        struct buf b;
        buf_init(&b, 100000);
        size_t one = pb_open(&b, 1), two = pb_open(&b, 2000), three = pb_open(&b, 3);
        buf_append(&b, body, len);
        pb_close(&b, three);
        pb_close(&b, two);
        pb_put_u64(&b, 4, 7);
        pb_close(&b, one);
        pb_put_u64(&b, 5, 8);
        struct pb p;
        pb_init(&p, buf_view(&b));
        assert_true(pb_next(&p) && p.field == 1);
        struct pb first = pb_message(&p);
        assert_true(pb_next(&first) && first.field == 2000);
        struct pb second = pb_message(&first);
        assert_true(pb_next(&second) && second.field == 3);
        assert_true(str_eq(pb_bytes(&second), str_make(body, len)));
        assert_false(pb_next(&second) || pb_failed(&second));
        assert_true(pb_next(&first) && first.field == 4 && pb_u64(&first) == 7);
        assert_false(pb_next(&first) || pb_failed(&first));
        assert_true(pb_next(&p) && p.field == 5 && pb_u64(&p) == 8);
        assert_false(pb_next(&p) || pb_failed(&p));
        buf_deinit(&b);
    }
}

/* Whatever the maximum, a message that does not fit is marked, and nothing is written past it. */
static void test_overflow(void **state)
{
    (void)state;
    char body[200] = {1};
    for (size_t max = 0; max < 215; max++) {
        struct buf b;
        buf_init(&b, max);
        size_t one = pb_open(&b, 1), two = pb_open(&b, 2);
        pb_put_bytes(&b, 3, str_make(body, sizeof body));
        pb_close(&b, two);
        pb_put_u64(&b, 4, 1);
        pb_close(&b, one);
        assert_int_equal(b.overflow, max < 200 + 3 + 3 + 2 + 3);
        assert_true(b.len <= max);
        buf_deinit(&b);
    }
}

/* -- against protoc -- */

/* Prints a message as protoc --decode_raw does; false if the bytes are none. */
static bool print_raw(struct buf *out, str bytes, int depth)
{
    struct pb p;
    pb_init(&p, bytes);
    while (pb_next(&p)) {
        buf_printf(out, "%*s%u", depth * 2, "", p.field);
        if (p.wire == PB_VARINT) {
            buf_printf(out, ": %" PRIu64 "\n", pb_u64(&p));
        } else if (p.wire == PB_FIXED64) {
            buf_printf(out, ": 0x%016" PRIx64 "\n", pb_fixed64(&p));
        } else if (p.wire == PB_FIXED32) {
            buf_printf(out, ": 0x%08" PRIx32 "\n", pb_fixed32(&p));
        } else {
            str value = pb_bytes(&p);
            size_t before = out->len;
            buf_text(out, " {\n");
            if (value.len > 0 && print_raw(out, value, depth + 1)) {
                buf_printf(out, "%*s}\n", depth * 2, "");
                continue;
            }
            out->len = before;
            buf_printf(out, ": \"%.*s\"\n", STR_ARG(value));
        }
    }
    return !pb_failed(&p);
}

static void put_random(struct buf *b, int depth)
{
    /* Printable characters without quotes whose bits cannot be the tag of a group, which protoc
     * would take. */
    static const char letters[] = "abefghijmnopqruvwxyzABEFGHIJMNOPQRUVWXYZ0156789 !&()*-.:=>@";
    for (int count = rand() % 5; count >= 0; count--) {
        uint32_t field = 1 + ((uint32_t)rand() & 0x1ffffffe) % (UINT32_C(1) << (1 + rand() % 28));
        uint64_t n =
            ((uint64_t)(uint32_t)rand() << 33 ^ (uint64_t)(uint32_t)rand()) >> (rand() % 64);
        char text[300];
        size_t len = (size_t)rand() % (rand() % 4 == 0 ? sizeof text : 8);
        for (size_t i = 0; i < len; i++) {
            do
                text[i] = letters[(size_t)rand() % (sizeof letters - 1)];
            while ((text[i] & 7) == 3 || (text[i] & 7) == 4);
        }
        switch (rand() % (depth < 6 ? 6 : 4)) {
        case 0:
            pb_put_u64_always(b, field, n);
            break;
        case 1:
            pb_put_fixed64_always(b, field, n);
            break;
        case 2:
            pb_put_fixed32(b, field, (uint32_t)n);
            break;
        case 3:
            pb_put_bytes_always(b, field, str_make(text, len));
            break;
        default: {
            size_t mark = pb_open(b, field);
            put_random(b, depth + 1);
            pb_close(b, mark);
        }
        }
    }
}

static void decode_by_protoc(str bytes, struct buf *out)
{
    char path[] = "/tmp/decode_raw_XXXXXX", command[100];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, bytes.data, bytes.len), bytes.len);
    close(fd);
    snprintf(command, sizeof command, "protoc --decode_raw <%s", path);
    FILE *f = popen(command, "r");
    assert_non_null(f);
    char piece[4096];
    for (size_t len; (len = fread(piece, 1, sizeof piece, f)) > 0;)
        buf_append(out, piece, len);
    assert_int_equal(pclose(f), 0);
    unlink(path);
}

static void test_by_protoc(void **state)
{
    (void)state;
    if (system("command -v protoc >/dev/null") != 0)
        skip();
    struct buf b, ours, theirs;
    buf_init(&b, 1 << 22);
    buf_init(&ours, 1 << 24);
    buf_init(&theirs, 1 << 24);
    from_hex(&b, lease_server);
    srand(11);
    while (b.len < 200000) {
        size_t mark = pb_open(&b, 1);
        put_random(&b, 0);
        pb_close(&b, mark);
    }
    assert_true(print_raw(&ours, buf_view(&b), 0));
    decode_by_protoc(buf_view(&b), &theirs);
    if (!str_eq(buf_view(&ours), buf_view(&theirs))) {
        size_t at = 0;
        while (at < ours.len && at < theirs.len && ours.data[at] == theirs.data[at])
            at++;
        size_t from = at < 200 ? 0 : at - 200;
        fail_msg("at %zu of %zu and %zu:\n%.300s\n---\n%.300s", at, ours.len, theirs.len,
                 buf_cstr(&ours) + from, buf_cstr(&theirs) + from);
    }
    buf_deinit(&b);
    buf_deinit(&ours);
    buf_deinit(&theirs);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_write_metrics),
        cmocka_unit_test(test_write_others),
        cmocka_unit_test(test_read_lease),
        cmocka_unit_test(test_errors),
        cmocka_unit_test(test_values),
        cmocka_unit_test(test_wire_types),
        cmocka_unit_test(test_errors_of_nested_messages),
        cmocka_unit_test(test_packed),
        cmocka_unit_test(test_nested_lengths),
        cmocka_unit_test(test_overflow),
        cmocka_unit_test(test_by_protoc),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
