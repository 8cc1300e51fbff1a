/* Lists and watches in both encodings, cut at every byte; answers that are neither; what the wire format allows beyond what servers do. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "base/limits.h"
#include "kube/watch_stream.h"
#include "wire/pb.h"

#define PROTOBUF "application/vnd.kubernetes.protobuf"
#define JSON "application/json"

/* -- steps as text -- */

static void step_print(struct buf *out, struct watch_stream *s, enum stream_step step,
                       const struct err *err)
{
    static const char *const names[] = {"more", "object", "deleted", "bookmark", "synced", "page",
                                        "end",  "error",  "broken"};
    struct watch_meta meta;
    struct arena arena;
    arena_init(&arena, 64);
    buf_text(out, names[step]);
    switch (step) {
    case STREAM_OBJECT:
    case STREAM_DELETED:
        (void)watch_meta_read(&meta, s->format, s->bytes, &arena, NULL);
        buf_printf(out, " %.*s/%.*s %.*s %.*s", STR_ARG(meta.namespace), STR_ARG(meta.name),
                   STR_ARG(meta.uid), STR_ARG(meta.resource_version));
        break;
    case STREAM_BOOKMARK:
    case STREAM_SYNCED:
        buf_printf(out, " %.*s", STR_ARG(s->resource_version));
        break;
    case STREAM_PAGE:
        buf_printf(out, " %.*s %.*s", STR_ARG(s->resource_version), STR_ARG(s->continue_token));
        break;
    case STREAM_ERROR:
        buf_printf(out, " %d %.*s", s->status.code, STR_ARG(s->status.reason));
        break;
    case STREAM_BROKEN:
        buf_printf(out, " %s", err->text);
        break;
    default:
        break;
    }
    buf_text(out, ";");
    arena_deinit(&arena);
}

/* One piece, in memory of exactly its size. */
static void feed(struct watch_stream *s, str piece, struct buf *out)
{
    char *exact = mem_alloc(piece.len == 0 ? 1 : piece.len);
    if (piece.len > 0)
        memcpy(exact, piece.data, piece.len);
    str rest = str_make(exact, piece.len);
    for (;;) {
        struct err err = {0};
        enum stream_step step = watch_stream_next(s, &rest, &err);
        if (step == STREAM_MORE)
            break;
        step_print(out, s, step, &err);
    }
    assert_int_equal(rest.len, 0);
    mem_free(exact);
}

/* Pieces of `piece` bytes, but the first one of `first`. */
static void run(bool is_list, const char *type, str data, size_t first, size_t piece,
                struct buf *out)
{
    struct watch_stream s;
    struct err err;
    assert_true(watch_stream_init(&s, is_list, str_from(type), &err));
    feed(&s, str_make(data.data, first), out);
    for (data = str_skip(data, first); data.len > 0;) {
        size_t len = data.len < piece ? data.len : piece;
        feed(&s, str_make(data.data, len), out);
        data = str_skip(data, len);
    }
    buf_text(out, watch_stream_is_between(&s) ? "between" : "within");
    watch_stream_deinit(&s);
}

static void expect(bool is_list, const char *type, str data, const char *expected)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    run(is_list, type, data, 0, SIZE_MAX, &out);
    assert_string_equal(buf_cstr(&out), expected);
    for (size_t first = 0; first <= data.len && data.len < 4096; first++) {
        buf_clear(&out);
        run(is_list, type, data, first, SIZE_MAX, &out);
        assert_string_equal(buf_cstr(&out), expected);
    }
    for (size_t piece = 1; piece < 20; piece++) {
        buf_clear(&out);
        run(is_list, type, data, 0, piece, &out);
        assert_string_equal(buf_cstr(&out), expected);
    }
    buf_deinit(&out);
}

/* -- protobuf by hand -- */

static void put_object(struct buf *b, uint32_t field, const char *name, const char *uid,
                       const char *rv, bool ends_initial, size_t padding)
{
    size_t object = pb_open(b, field);
    size_t meta = pb_open(b, 1);
    pb_put_bytes_always(b, 1, str_from(name));
    pb_put_bytes_always(b, 3, STR("ns"));
    pb_put_bytes_always(b, 5, str_from(uid));
    pb_put_bytes_always(b, 6, str_from(rv));
    if (ends_initial) {
        size_t annotation = pb_open(b, 12);
        pb_put_bytes(b, 1, STR("k8s.io/initial-events-end"));
        pb_put_bytes(b, 2, STR("true"));
        pb_close(b, annotation);
    }
    pb_close(b, meta);
    if (padding > 0) {
        char *text = mem_zalloc(padding);
        pb_put_bytes(b, 2, str_make(text, padding));
        mem_free(text);
    }
    pb_close(b, object);
}

static void put_type(struct buf *b, const char *kind)
{
    size_t type = pb_open(b, 1);
    pb_put_bytes_always(b, 1, STR("v1"));
    pb_put_bytes_always(b, 2, str_from(kind));
    pb_close(b, type);
}

static void put_frame(struct buf *out, const char *type, const char *name, const char *uid,
                      const char *rv, bool ends_initial, size_t padding)
{
    struct buf b, envelope;
    buf_init(&b, 64 << 20);
    buf_init(&envelope, 64 << 20);
    buf_append(&envelope, "k8s\0", 4);
    put_type(&envelope, "Pod");
    put_object(&envelope, 2, name, uid, rv, ends_initial, padding);
    pb_put_bytes_always(&envelope, 3, STR_NONE);
    pb_put_bytes_always(&envelope, 4, STR_NONE);
    pb_put_bytes_always(&b, 1, str_from(type));
    size_t extension = pb_open(&b, 2);
    pb_put_bytes_always(&b, 1, buf_view(&envelope));
    pb_close(&b, extension);
    unsigned char head[] = {(unsigned char)(b.len >> 24), (unsigned char)(b.len >> 16), (unsigned char)(b.len >> 8),
                            (unsigned char)b.len};
    buf_append(out, head, sizeof head);
    buf_str(out, buf_view(&b));
    buf_deinit(&b);
    buf_deinit(&envelope);
}

static void put_error_frame(struct buf *out, int code, const char *reason)
{
    struct buf b;
    buf_init(&b, 65536);
    pb_put_bytes(&b, 1, STR("ERROR"));
    size_t extension = pb_open(&b, 2), raw = pb_open(&b, 1);
    buf_append(&b, "k8s\0", 4);
    put_type(&b, "Status");
    size_t status = pb_open(&b, 2);
    pb_put_bytes(&b, 3, STR("too old"));
    pb_put_bytes(&b, 4, str_from(reason));
    pb_put_u64(&b, 6, (uint64_t)code);
    pb_close(&b, status);
    pb_close(&b, raw);
    pb_close(&b, extension);
    unsigned char head[] = {0, 0, (unsigned char)(b.len >> 8), (unsigned char)b.len};
    buf_append(out, head, sizeof head);
    buf_str(out, buf_view(&b));
    buf_deinit(&b);
}

/* -- protobuf -- */

static void test_protobuf_watch(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1 << 20);
    put_frame(&b, "ADDED", "a", "u1", "10", false, 0);
    put_frame(&b, "BOOKMARK", "", "", "11", true, 0);
    put_frame(&b, "MODIFIED", "a", "u1", "12", false, 300);
    put_frame(&b, "BOOKMARK", "", "", "13", false, 0);
    put_frame(&b, "DELETED", "a", "u1", "14", false, 0);
    expect(false, PROTOBUF ";stream=watch", buf_view(&b),
           "object ns/a u1 10;synced 11;object ns/a u1 12;bookmark 13;deleted ns/a u1 14;between");
    expect(false, "APPLICATION/VND.Kubernetes.Protobuf ; stream=watch", str_make(b.data, b.len - 1),
           "object ns/a u1 10;synced 11;object ns/a u1 12;bookmark 13;within");
    expect(false, PROTOBUF, str_make(b.data, 2), "within");
    expect(false, PROTOBUF, STR_NONE, "between");
    buf_clear(&b);
    put_error_frame(&b, 410, "Expired");
    put_frame(&b, "ADDED", "not read", "u1", "10", false, 0);
    expect(false, PROTOBUF, buf_view(&b), "error 410 Expired;between");
    buf_deinit(&b);
}

static void test_protobuf_watch_broken(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1 << 20);
    put_frame(&b, "RENAMED", "a", "u1", "10", false, 0);
    expect(false, PROTOBUF, buf_view(&b), "broken an event of type \"RENAMED\";between");
    expect(false, PROTOBUF, STR("\0\0\0\0more"),
           "broken an object without the magic bytes of its encoding;between");
    expect(false, PROTOBUF, STR("\0\0\0\3abc"),
           "broken watch event: a length that goes past the end at byte 1;between");
    /* A WatchEvent with the magic in front of it, as one might think it is. */
    expect(false, PROTOBUF, STR("k8s\0more"),
           "broken a frame of 1798861568 bytes, at most 16777216;between");
    expect(false, PROTOBUF, STR("\1\0\0\0"), "within"); /* 16 MiB are allowed */
    expect(false, PROTOBUF, STR("\1\0\0\1"),
           "broken a frame of 16777217 bytes, at most 16777216;between");
    buf_deinit(&b);
}

static void put_list(struct buf *b, const char *kind, bool meta_first, const char *token)
{
    buf_append(b, "k8s\0", 4);
    put_type(b, kind);
    size_t raw = pb_open(b, 2);
    for (int turn = 0; turn < 2; turn++) {
        if ((turn == 0) == meta_first) {
            size_t meta = pb_open(b, 1);
            pb_put_bytes_always(b, 1, STR_NONE);
            pb_put_bytes_always(b, 2, STR("77"));
            pb_put_bytes_always(b, 3, str_from(token));
            pb_put_u64(b, 4, 1234);
            pb_close(b, meta);
        } else {
            put_object(b, 2, "a", "u1", "10", false, 0);
            put_object(b, 2, "b", "u2", "11", false, 200);
            pb_put_bytes_always(b, 2, STR_NONE); /* an item without anything */
            put_object(b, 2, "c", "u3", "12", false, 0);
        }
    }
    pb_close(b, raw);
    pb_put_bytes_always(b, 3, STR_NONE);
    pb_put_bytes_always(b, 4, STR_NONE);
}

static void test_protobuf_list(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1 << 20);
    put_list(&b, "PodList", true, "t1");
    expect(true, PROTOBUF, buf_view(&b),
           "page 77 t1;object ns/a u1 10;object ns/b u2 11;object /  ;object ns/c u3 12;end;between");
    expect(true, PROTOBUF, str_make(b.data, b.len - 5), "page 77 t1;object ns/a u1 10;object ns/b u2 11;object /  ;within");
    buf_clear(&b);
    put_list(&b, "PodList", false, "");
    expect(true, PROTOBUF, buf_view(&b),
           "object ns/a u1 10;object ns/b u2 11;object /  ;object ns/c u3 12;page 77 ;end;between");
    buf_clear(&b);
    buf_append(&b, "k8s\0", 4);
    put_type(&b, "PodList");
    size_t raw = pb_open(&b, 2);
    pb_put_u64_always(&b, 9, 1); /* fields that nobody knows, of every wire type */
    pb_put_fixed64_always(&b, 10, 1);
    pb_put_fixed32(&b, 11, 1);
    pb_put_bytes_always(&b, 12, STR_NONE);
    pb_put_bytes_always(&b, 13, STR("unknown"));
    size_t meta = pb_open(&b, 1);
    pb_put_bytes(&b, 2, STR("5"));
    pb_close(&b, meta);
    pb_put_bytes_always(&b, 14, STR_NONE);
    pb_close(&b, raw);
    expect(true, PROTOBUF, buf_view(&b), "page 5 ;end;between");
    buf_deinit(&b);
}

static void test_protobuf_list_broken(void **state)
{
    (void)state;
    struct buf b;
    buf_init(&b, 1 << 20);
    put_list(&b, "Status", true, "");
    expect(true, PROTOBUF, buf_view(&b), "broken the answer is a \"Status\", expected a list;between");
    expect(true, PROTOBUF, STR("{\"kind\":"),
           "broken an answer without the magic bytes of protobuf;between");
    expect(true, PROTOBUF, STR("k8s\0\x0a\x05\x12\x03XXXno"),
           "broken the answer is a \"XXX\", expected a list;between");
    expect(true, PROTOBUF, STR("k8s\0\x12\x00"), "broken a list without metadata;between");
    expect(true, PROTOBUF, STR("k8s\0\x12\x05\x12\x04zz"),
           "broken a length that goes past the end of the list;between");
    expect(true, PROTOBUF, STR("k8s\0\x12\x02\x12\xff\xff\xff"), "broken a list that is no protobuf;between");
    expect(true, PROTOBUF, STR("k8s\0\x0b"), "broken a list that is no protobuf;between"); /* a group */
    expect(true, PROTOBUF, STR("k8s\0\x02"), "broken a list that is no protobuf;between"); /* field 0 */
    expect(true, PROTOBUF, STR("k8s\0\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"),
           "broken a list that is no protobuf;between"); /* more than 64 bits */
    expect(true, PROTOBUF, STR("k8s\0\x12\xff\xff\xff\xff\x0f\x12\x81\x80\x80\x08"),
           "broken an item of 16777217 bytes, at most 16777216;between");
    expect(true, PROTOBUF, STR("k8s\0\x12\xff\xff\xff\xff\x0f\x0a\x81\x80\x08"),
           "broken metadata of 131073 bytes, at most 65536;between");
    expect(true, PROTOBUF, STR("k8s\0\x12\x04\x0a\x02\x12\x05"),
           "broken list metadata that is no protobuf;between");
    expect(true, PROTOBUF, STR("k8s\0\x12\x03\x09zz"), "broken a list that is no protobuf;between");
    expect(true, PROTOBUF, STR_NONE, "within");
    buf_deinit(&b);
}

/* -- JSON -- */

#define OBJECT(name, uid, rv)                                                                      \
    "{\"metadata\":{\"name\":\"" name "\",\"namespace\":\"ns\",\"uid\":\"" uid                     \
    "\",\"resourceVersion\":\"" rv "\",\"x\":[\"]}\\\"\"]},\"spec\":{}}"

static void test_json_watch(void **state)
{
    (void)state;
    static const char text[] =
        "{\"type\":\"ADDED\",\"object\":" OBJECT("a", "u1", "10") "}\n"
        "{\"type\":\"BOOKMARK\",\"object\":{\"kind\":\"Pod\",\"metadata\":{\"resourceVersion\":\"11\",\"annotations\":"
        "{\"k8s.io/initial-events-end\":\"true\"}}}}\n"
        "  {\"object\":" OBJECT("\\u0061", "u1", "12") ", \"type\" : \"MODIFIED\"}"
        "{\"type\":\"BOOKMARK\",\"object\":{\"metadata\":{\"annotations\":null,\"resourceVersion\":\"13\"}}}\n\n"
        "{\"type\":\"DELETED\",\"object\":" OBJECT("a", "u1", "14") "}\n";
    expect(false, JSON, str_from(text),
           "object ns/a u1 10;synced 11;object ns/a u1 12;bookmark 13;deleted ns/a u1 14;between");
    expect(false, "application/json;charset=utf-8",
           STR("{\"type\":\"ERROR\",\"object\":{\"kind\":\"Status\",\"reason\":\"Expired\",\"code\":410}}{}"),
           "error 410 Expired;between");
    expect(false, JSON, STR("{\"type\":\"ADDED\""), "within");
    expect(false, JSON, STR(" \n"), "between");
    expect(false, JSON, STR("{\"type\":\"ADDED\"}"), "broken expected a watch event with type and object;between");
    expect(false, JSON, STR("{\"kind\":\"Status\",\"code\":500}"),
           "broken expected a watch event with type and object;between");
    expect(false, JSON, STR("[1]"), "broken expected a watch event with type and object;between");
    expect(false, JSON, STR("{\"type\":\"ERROR\",\"object\":{}}"),
           "broken an ERROR event without a Status in it;between");
    expect(false, JSON, STR("{\"type\":\"X\",\"object\":{\"a\":tru}}"),
           "broken watch event: line 1 column 27: unknown word: expected true, false or null;between");
}

static void test_json_list(void **state)
{
    (void)state;
    expect(true, JSON,
           STR("{\"kind\":\"PodList\",\"apiVersion\":\"v1\",\"metadata\":{\"resourceVersion\":\"77\",\"continue\":\"t\\u0031\","
               "\"remainingItemCount\":3},\"items\":[" OBJECT("a", "u1", "10") " ,\n" OBJECT("b", "u2", "11") "]}\n"),
           "page 77 t1;object ns/a u1 10;object ns/b u2 11;end;between");
    expect(true, JSON,
           STR(" { \"items\" : [ " OBJECT("a", "u1", "10") " ] , \"n\" : 12 , \"b\":true,\"m\":null, \"o\":{\"items\":[1]},"
               "\"s\":\"x\\\"}\", \"metadata\": {\"resourceVersion\":\"8\"}, \"kind\":\"List\" }"),
           "object ns/a u1 10;page 8 ;end;between");
    expect(true, JSON, STR("{\"metadata\":{\"resourceVersion\":\"8\"},\"items\":null}"), "page 8 ;end;between");
    expect(true, JSON, STR("{\"metadata\":{\"resourceVersion\":\"8\"},\"items\":[]}"), "page 8 ;end;between");
    expect(true, JSON, STR("{\"items\":null,\"metadata\":{}}"), "page  ;end;between");
    expect(true, JSON, STR("{\"metadata\":{\"resourceVersion\":\"8\"},\"items\":[" OBJECT("a", "u1", "10") ","),
           "page 8 ;object ns/a u1 10;within");
}

static void test_json_list_broken(void **state)
{
    (void)state;
    static const char no_json[] = "broken a list that is no JSON;between";
    expect(true, JSON, STR("{\"kind\":\"Status\",\"code\":403}"),
           "broken the answer is a \"Status\", expected a list;between");
    expect(true, JSON, STR("{}"), "broken a list without metadata;between");
    expect(true, JSON, STR("[]"), no_json);
    expect(true, JSON, STR("<html>"), no_json);
    expect(true, JSON, STR("{\"items\" []}"), no_json);
    expect(true, JSON, STR("{\"items\":[1]}"), no_json);
    expect(true, JSON, STR("{\"items\":[{} {}]}"), "object /  ;broken a list that is no JSON;between");
    expect(true, JSON, STR("{\"items\":{}}"), no_json);
    expect(true, JSON, STR("{\"a\":1 \"b\":2}"), no_json);
    expect(true, JSON, STR("{a:1}"), no_json);
    expect(true, JSON, STR("{\"metadata\":[]}"), "broken metadata of the list is no object;between");
    expect(true, JSON, STR("{\"metadata\":{\"a\":tru}}"),
           "broken metadata of the list: line 1 column 6: unknown word: expected true, false or null;between");
}

/* -- what does not depend on the format -- */

static void test_content_types(void **state)
{
    (void)state;
    static const char *const bad[] = {"", "text/html; charset=utf-8", "application/cbor", "application/jsonx"};
    for (size_t i = 0; i < COUNT_OF(bad); i++) {
        struct watch_stream s;
        struct err err;
        assert_false(watch_stream_init(&s, true, str_from(bad[i]), &err));
        assert_non_null(strstr(err.text, "expected Kubernetes' protobuf or JSON"));
        watch_stream_deinit(&s);
    }
}

/* Large items come in many pieces, and the memory for them is given back. */
static void test_large_items(void **state)
{
    (void)state;
    struct watch_stream s;
    struct err err;
    struct buf b, out;
    buf_init(&b, 64 << 20);
    buf_init(&out, 1 << 20);
    put_frame(&b, "ADDED", "a", "u1", "10", false, 3 << 20);
    put_frame(&b, "ADDED", "b", "u2", "11", false, 0);
    assert_true(watch_stream_init(&s, false, STR(PROTOBUF), &err));
    for (str rest = buf_view(&b); rest.len > 0; rest = str_skip(rest, 16384))
        feed(&s, str_make(rest.data, rest.len < 16384 ? rest.len : 16384), &out);
    assert_string_equal(buf_cstr(&out), "object ns/a u1 10;object ns/b u2 11;");
    assert_true(s.pending.cap <= 16384);
    watch_stream_deinit(&s);
    buf_deinit(&b);
    buf_deinit(&out);
}

static void test_large_json(void **state)
{
    (void)state;
    struct watch_stream s;
    struct err err;
    struct buf out;
    char *piece = mem_alloc(1 << 20);
    memset(piece, 'x', 1 << 20);
    buf_init(&out, 1 << 20);
    for (int is_list = 0; is_list < 2; is_list++) {
        assert_true(watch_stream_init(&s, is_list == 1, STR(JSON), &err));
        feed(&s, is_list ? STR("{\"items\":[{\"a\":\"") : STR("{\"type\":\""), &out);
        for (int i = 0; i < 17; i++)
            feed(&s, str_make(piece, 1 << 20), &out);
        watch_stream_deinit(&s);
    }
    assert_string_equal(buf_cstr(&out), "broken an event or item of more than 16781312 bytes;broken an event or item of more "
                                        "than 16781312 bytes;");
    buf_deinit(&out);
    mem_free(piece);
}

static void test_meta_of_broken_objects(void **state)
{
    (void)state;
    struct watch_meta m;
    struct arena a;
    struct err err;
    struct buf b;
    buf_init(&b, 4096);
    arena_init(&a, 64);
    put_object(&b, 1, "a", "u1", "10", false, 0); /* tag and length in front */
    str object = str_skip(buf_view(&b), 2);
    assert_true(watch_meta_read(&m, FORMAT_PROTOBUF, object, &a, &err));
    buf_text(&b, "\x12\x7f" "cut");
    object = str_skip(buf_view(&b), 2);
    assert_false(watch_meta_read(&m, FORMAT_PROTOBUF, object, &a, &err));
    assert_true(str_eqz(m.uid, "u1") && str_eqz(m.resource_version, "10"));
    assert_false(watch_meta_read(&m, FORMAT_JSON, STR("{\"metadata\":{\"uid\":\"u1\"},\"spec\":tru}"), &a, &err));
    assert_true(str_eqz(m.uid, "u1"));
    assert_false(watch_meta_read(&m, FORMAT_JSON, STR("[]"), &a, &err));
    assert_true(watch_meta_read(&m, FORMAT_JSON, STR("{\"metadata\":7}"), &a, &err) && m.uid.len == 0);
    arena_deinit(&a);
    buf_deinit(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_protobuf_watch),       cmocka_unit_test(test_protobuf_watch_broken),
        cmocka_unit_test(test_protobuf_list),        cmocka_unit_test(test_protobuf_list_broken),
        cmocka_unit_test(test_json_watch),           cmocka_unit_test(test_json_list),
        cmocka_unit_test(test_json_list_broken),     cmocka_unit_test(test_content_types),
        cmocka_unit_test(test_large_items),          cmocka_unit_test(test_large_json),
        cmocka_unit_test(test_meta_of_broken_objects),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
