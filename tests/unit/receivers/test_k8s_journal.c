/* The journal of changes, and what a new leader makes of a position: where the journal reaches, and where it does not. */
#include "k8s_entities_world.h"

#include "base/limits.h"

static struct loop *loop;

static int setup(void **state)
{
    (void)state;
    loop = fake_loop_new(1000 * SECOND, 1700000000 * SECOND);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    loop_free(loop);
    return 0;
}

static void put_named(struct replica *r, enum object_kind kind, const char *uid, uint64_t version,
                      bool by_list)
{
    struct buf b;
    buf_init(&b, 64 * KIB);
    buf_printf(&b,
               "{\"metadata\":{\"name\":\"n\",\"namespace\":\"shop\",\"uid\":\"%s\","
               "\"resourceVersion\":\"%" PRIu64 "\",\"labels\":{\"rv\":\"%" PRIu64 "\"}}}",
               uid, version, version);
    struct object *o = replica_decode(r, kind, buf_cstr(&b));
    buf_deinit(&b);
    replica_put_object(r, replica_stream(r, kind, STR("shop")), o, by_list);
}

static void put(struct replica *r, const char *uid, uint64_t version)
{
    put_named(r, KIND_POD, uid, version, false);
}

static void delete (struct replica *r, const char *uid, uint64_t version)
{
    replica_delete(r, replica_stream(r, KIND_POD, STR("shop")), uid, version, false);
}

static struct k8s_stream *pods_of(struct replica *r)
{
    return replica_stream(r, KIND_POD, STR(""));
}

/* Exactly these versions of pods, ascending, and deletes of pods. */
static void expect_pods(struct replica *r, const char *versions, const char *deletes)
{
    struct buf got;
    buf_init(&got, 64 * KIB);
    for (size_t i = 0; i < replica_record_count(r); i++) {
        const char *text = strstr(replica_record(r, i), "k8s.pod.label.rv=");
        if (text != NULL)
            buf_printf(&got, "%s%.*s", got.len > 0 ? " " : "", (int)strcspn(text + 17, ",}"),
                       text + 17);
    }
    assert_string_equal(buf_cstr(&got), versions);
    buf_clear(&got);
    for (size_t i = 0; i < replica_record_count(r); i++) {
        const char *text = replica_record(r, i);
        if (strncmp(text, "delete k8s.pod {k8s.pod.uid=", 28) == 0)
            buf_printf(&got, "%s%.*s", got.len > 0 ? " " : "", (int)strcspn(text + 28, "}"),
                       text + 28);
    }
    assert_string_equal(buf_cstr(&got), deletes);
    buf_deinit(&got);
    replica_forget(r);
}

static void expect_gap(const struct replica *r, uint64_t streams, uint64_t objects)
{
    assert_int_equal(r->k.entities->counters.gap_streams, streams);
    assert_int_equal(r->k.entities->counters.gap_objects, objects);
}

/* ---- the ring ---- */

static void test_the_ring(void **state)
{
    (void)state;
    struct replica *r = replica_new(loop, 0, "");
    struct journal j;
    journal_init(&j, &r->pool);
    struct object *o = replica_decode(r, KIND_POD, "{\"metadata\":{\"name\":\"n\",\"uid\":\"u\"}}");
    uint64_t added = 0, random = 1;
    for (int round = 0; round < 2000; round++) {
        random = random * 6364136223846793005 + 1442695040888963407;
        size_t count = (random >> 33) % 300;
        bool adding = (random >> 20) % 2 == 0;
        for (size_t i = 0; i < count && adding; i++, added++)
            journal_add(&j, &(struct journal_entry){.after = object_ref(o), .version = added});
        for (size_t i = 0; i < count && !adding && !journal_is_empty(&j); i++)
            journal_drop(&j);
        assert_int_equal(j.end, added);
        assert_int_equal(o->refs, 1 + j.end - j.first);
        assert_int_equal(j.bytes,
                         (j.end - j.first) * (sizeof(struct journal_entry) + o->size_bytes));
        for (uint64_t n = j.first; n < j.end; n++)
            assert_int_equal(journal_at(&j, n)->version, n);
    }
    journal_deinit(&j);
    assert_int_equal(o->refs, 1);
    object_unref(&r->pool, o);
    replica_free(r);
}

static void test_fingerprints(void **state)
{
    (void)state;
    struct replica *a = replica_new(loop, 0, ""), *b = replica_new(loop, 0, "");
    static const char *const objects[] = {
        "{\"metadata\":{\"uid\":\"0a1b2c3d-0000-1111-2222-333344445555\",\"resourceVersion\":\"7\"}}",
        "{\"metadata\":{\"uid\":\"0a1b2c3d-0000-1111-2222-333344445555\",\"resourceVersion\":\"8\"}}",
        "{\"metadata\":{\"uid\":\"0a1b2c3d-0000-1111-2222-333344445556\",\"resourceVersion\":\"7\"}}",
        "{\"metadata\":{\"uid\":\"odd\",\"resourceVersion\":\"7\"}}",
        "{\"metadata\":{\"uid\":\"odd\",\"resourceVersion\":\"8\"}}",
        "{\"metadata\":{\"uid\":\"more\",\"resourceVersion\":\"7\"}}",
    };
    uint64_t seen[COUNT_OF(objects)];
    for (size_t i = 0; i < COUNT_OF(objects); i++) {
        struct object *x = replica_decode(a, KIND_POD, objects[i]);
        struct object *y = replica_decode(b, KIND_POD, objects[i]);
        seen[i] = object_fingerprint(x);
        assert_true(seen[i] == object_fingerprint(y)); /* though their hash keys differ */
        for (size_t k = 0; k < i; k++)
            assert_false(fingerprints_equal(seen[i], seen[k]));
        object_unref(&a->pool, x);
        object_unref(&b->pool, y);
    }
    assert_int_equal(object_fingerprint(NULL), 0);
    replica_free(a);
    replica_free(b);
}

/* The sum that is kept is that of the store, and the floor leads to it, whatever comes and leaves. */
static void test_the_floor_leads_to_the_store(void **state)
{
    (void)state;
    struct replica *r = replica_new(loop, 0, "");
    put(r, "a", 50);
    put(r, "b", 51);
    replica_sync(r, 100);
    struct entities *e = r->k.entities;
    uint64_t version = 100;
    for (int i = 0; i < 400; i++) {
        char uid[8];
        snprintf(uid, sizeof uid, "p%d", i % 17);
        put(r, uid, ++version);
        if (i % 5 == 4)
            delete (r, uid, ++version);
        replica_run_ms(r, 700);
        const struct entity_stream *s = &e->streams[e->index[pods_of(r) - r->k.streams]];
        uint64_t sum = 0, from_floor = s->floor.fingerprint;
        uint32_t place = 0;
        const struct object *o;
        while ((o = store_next(&pods_of(r)->watch->store, &place)) != NULL)
            sum += object_fingerprint(o);
        for (uint64_t n = e->journal.first; n < e->journal.end; n++)
            from_floor += journal_at(&e->journal, n)->step;
        assert_true(sum == s->fingerprint && from_floor == sum);
    }
    assert_true(e->journal.first > 0); /* some have left by age */
    assert_true(e->journal.end - e->journal.first <= 61000 / 700 * 6 / 5 + 2);
    replica_free(r);
}

/* ---- positions ---- */

/* Two replicas that have seen the same; the first leads and has sent all of it. */
struct pair {
    struct replica *a, *b;
};
static struct pair pair_new(void)
{
    struct pair p = {replica_new(loop, 0, ""), replica_new(loop, 0, "")};
    put(p.a, "old", 50);
    put(p.b, "old", 50);
    replica_sync(p.a, 100);
    replica_sync(p.b, 100);
    replica_activate(p.a, "");
    replica_run_ms(p.a, 100);
    expect_pods(p.a, "50", "");
    return p;
}

static void put_both(struct pair *p, const char *uid, uint64_t version)
{
    put(p->a, uid, version);
    put(p->b, uid, version);
}

static void pair_free(struct pair *p)
{
    replica_free(p->a);
    replica_free(p->b);
}

static void test_the_next_leader_goes_on(void **state)
{
    (void)state;
    struct pair p = pair_new();
    put_both(&p, "x", 101);
    put_both(&p, "y", 102);
    replica_run_ms(p.a, 100);
    const char *position = str_dup(str_from(replica_position(p.a)));
    expect_pods(p.a, "101 102", "");
    /* Not sent any more. */
    put_both(&p, "x", 103);
    delete (p.a, "y", 104);
    delete (p.b, "y", 104);
    entities_deactivate(p.a->k.entities);
    replica_activate(p.b, position);
    replica_run_ms(p.b, 100);
    expect_pods(p.b, "103", "y");
    expect_gap(p.b, 0, 0);
    mem_free((char *)(uintptr_t)position);
    pair_free(&p);
}

/* The usual course of a rolling update: the successor is young, and most streams are quiet. */
static void test_a_young_successor_in_a_quiet_cluster(void **state)
{
    (void)state;
    struct replica *a = replica_new(loop, 0, ""), *b = replica_new(loop, 0, "");
    put(a, "old", 50);
    replica_sync(a, 100);
    replica_activate(a, "");
    replica_run_ms(a, 100);
    put_named(a, KIND_JOB, "j", 150, false);
    replica_run_ms(a, 100);
    put(b, "old", 50);
    put_named(b, KIND_JOB, "j", 150, false);
    replica_sync(b, 900);
    replica_run_ms(b, 100);
    entities_deactivate(a->k.entities);
    replica_activate(b, replica_position(a));
    replica_run_ms(b, 100);
    assert_int_equal(b->batch_count, 0);
    expect_gap(b, 0, 0);
    replica_free(a);
    replica_free(b);
}

static void test_a_successor_that_is_behind(void **state)
{
    (void)state;
    struct pair p = pair_new();
    put_both(&p, "x", 101);
    put(p.a, "x", 102);
    put(p.a, "y", 103);
    delete (p.a, "x", 104);
    replica_run_ms(p.a, 100);
    entities_deactivate(p.a->k.entities);
    replica_activate(p.b, replica_position(p.a));
    replica_run_ms(p.b, 100);
    put(p.b, "x", 102);
    replica_run_ms(p.b, 3000);
    put(p.b, "y", 103);
    delete (p.b, "x", 104);
    put(p.b, "z", 105);
    replica_run_ms(p.b, 3000);
    expect_pods(p.b, "105", "");
    expect_gap(p.b, 0, 0);
    pair_free(&p);
}

static void test_where_the_journal_ends(void **state)
{
    (void)state;
    for (int sent = 0; sent < 4; sent++) {
        struct pair p = pair_new();
        put_both(&p, "x", 101);
        if (sent >= 1)
            replica_run_ms(p.a, 100);
        p.a->room = sent >= 2 ? NOT_LIMITED : 0;
        put_both(&p, "x", 102);
        replica_run_ms(p.a, 100);
        p.a->room = 0;
        put_both(&p, "y", 103);
        char *position = str_dup(str_from(replica_position(p.a)));
        /* The changes leave the journal of the standby by age, all of them but one. */
        replica_run_ms(p.b, sent == 3 ? 1000 : 61000);
        put(p.b, "z", 104);
        entities_deactivate(p.a->k.entities);
        replica_forget(p.a);
        replica_activate(p.b, position);
        replica_run_ms(p.b, 100);
        if (sent == 3) {
            expect_pods(p.b, "103 104", "");
            expect_gap(p.b, 0, 0);
        } else {
            /* Only this stream, in the order of the store. */
            expect_pods(p.b, "50 102 103 104", "");
            expect_gap(p.b, 1, 4);
        }
        mem_free(position);
        pair_free(&p);
    }
}

static void test_how_long_changes_are_kept(void **state)
{
    (void)state;
    static const struct {
        int64_t lease_s, kept_s;
    } cases[] = {{15, 30}, {2, 4}, {0, 60}};
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct pair p = pair_new();
        p.b->lease_duration_ns = cases[i].lease_s * SECOND;
        put(p.b, "x", 101);
        replica_run_ms(p.b, cases[i].kept_s * 1000 - 500);
        assert_false(journal_is_empty(&p.b->k.entities->journal));
        replica_run_ms(p.b, 2000);
        assert_true(journal_is_empty(&p.b->k.entities->journal));
        pair_free(&p);
    }
}

/* The receiver was stopped and started again: who leaves a watch does not see what it sees. */
static void test_watches_that_were_left(void **state)
{
    (void)state;
    for (int changed = 0; changed < 2; changed++) {
        struct pair p = pair_new();
        put(p.a, "x", 101);
        replica_run_ms(p.a, 100);
        entities_deactivate(p.a->k.entities);
        entities_stop(p.a->k.entities);
        replica_forget(p.a);
        if (changed)
            put(p.a, "x", 102);
        replica_run_ms(p.a, 2000);
        replica_activate(p.a, replica_position(p.a));
        replica_run_ms(p.a, 1000);
        for (size_t i = 0; i < p.a->k.stream_count; i++)
            entities_state(p.a->k.entities, &p.a->streams[i]);
        replica_run_ms(p.a, 1000);
        expect_pods(p.a, changed ? "50 102" : "", "");
        put(p.a, "x", 103);
        replica_run_ms(p.a, 1000);
        expect_pods(p.a, "103", "");
        pair_free(&p);
    }
}

/* The receiver of the next configuration on the same watches; `meanwhile` comes when nobody follows them. */
static void reload(struct replica *r, const char *meanwhile, uint64_t version)
{
    struct entities *old = r->k.entities;
    r->k.entities = entities_new(&r->k);
    entities_carry(r->k.entities, old);
    entities_free(old);
    if (meanwhile != NULL)
        put(r, meanwhile, version);
    entities_start(r->k.entities);
    for (size_t i = 0; i < r->k.stream_count; i++)
        entities_state(r->k.entities, &r->streams[i]);
}

/* What was not acknowledged before a reload comes once after it, and nothing else. */
static void test_a_reload_carries_the_journal(void **state)
{
    (void)state;
    struct replica *r = replica_new(loop, 0, "");
    put(r, "quiet", 50);
    put(r, "gone", 51);
    replica_sync(r, 100);
    replica_activate(r, "");
    replica_run_ms(r, 1000);
    expect_pods(r, "50 51", "");
    char *acknowledged = str_dup(str_from(replica_position(r)));
    put(r, "x", 101); /* sent, but who knows */
    replica_run_ms(r, 1000);
    expect_pods(r, "101", "");
    put(r, "y", 102); /* waits for others to come along */
    delete (r, "gone", 103);
    entities_deactivate(r->k.entities);
    replica_run_ms(r, 1000);
    put(r, "z", 104); /* while exporters end their work */
    reload(r, NULL, 0);
    replica_activate(r, acknowledged);
    replica_run_ms(r, 1000);
    expect_pods(r, "101 102 104", "gone");
    put(r, "quiet", 105);
    replica_run_ms(r, 1000);
    expect_pods(r, "105", "");
    expect_gap(r, 0, 0);
    mem_free(acknowledged);
    /* Once more at once, and without a term in between. */
    put(r, "x", 106);
    entities_deactivate(r->k.entities);
    reload(r, NULL, 0);
    put(r, "y", 107);
    reload(r, NULL, 0);
    replica_activate(r, replica_position(r));
    replica_run_ms(r, 1000);
    expect_pods(r, "106 107", "");
    expect_gap(r, 0, 0);
    /* A change that nobody saw: all objects of its stream, but none of others. */
    entities_deactivate(r->k.entities);
    reload(r, "z", 108);
    replica_activate(r, replica_position(r));
    replica_run_ms(r, 1000);
    expect_pods(r, "105 108 106 107", "");
    expect_gap(r, 1, 4);
    replica_free(r);
}

/* The new configuration has a metric that needs more of each pod: all of them are listed again, of which entities know nothing. */
static void test_a_reload_that_reads_more_of_each_object(void **state)
{
    (void)state;
    struct replica *r = replica_new(loop, 0, "");
    struct k8s_stream *pods = pods_of(r);
    for (size_t i = 0; i < r->k.stream_count; i++)
        r->streams[i].user.fields = OBJECT_METADATA | OBJECT_STATES;
    put(r, "x", 50);
    put(r, "gone", 51);
    replica_sync(r, 100);
    replica_activate(r, "");
    replica_run_ms(r, 1000);
    expect_pods(r, "50 51", "");
    entities_deactivate(r->k.entities);
    pods->user.fields |= OBJECT_LAST_TERMINATED;
    pods->watch->lacks = OBJECT_LAST_TERMINATED;
    reload(r, NULL, 0);
    replica_activate(r, replica_position(r));
    delete (r, "gone", 103);
    put(r, "x", 104);
    replica_run_ms(r, 1000);
    pods->watch->lacks = 0; /* the list is complete */
    entities_state(r->k.entities, pods);
    replica_run_ms(r, 1000);
    expect_pods(r, "104", "gone");
    expect_gap(r, 0, 0);
    replica_free(r);
}

/* Watches of another configuration: what was kept is not of them. */
static void test_a_reload_to_other_watches(void **state)
{
    (void)state;
    struct replica *r = replica_new(loop, 0, ""), *other = replica_new(loop, 0, "shop");
    replica_sync(r, 100);
    put(r, "x", 101);
    entities_carry(other->k.entities, r->k.entities);
    assert_true(journal_is_empty(&other->k.entities->journal));
    assert_false(journal_is_empty(&r->k.entities->journal));
    replica_free(other);
    replica_free(r);
}

/* The last change that left is the last one that was sent: nothing is missing. */
static void test_the_very_end_of_the_journal(void **state)
{
    (void)state;
    struct pair p = pair_new();
    put_both(&p, "x", 101);
    put_both(&p, "x", 102);
    replica_run_ms(p.a, 30000);
    p.a->room = 0;
    put_both(&p, "y", 103);
    replica_run_ms(p.b, 35000);
    assert_int_equal(p.b->k.entities->journal.end - p.b->k.entities->journal.first, 1);
    entities_deactivate(p.a->k.entities);
    replica_activate(p.b, replica_position(p.a));
    replica_run_ms(p.b, 100);
    expect_pods(p.b, "103", "");
    expect_gap(p.b, 0, 0);
    pair_free(&p);
}

static void test_a_bounded_journal(void **state)
{
    (void)state;
    struct pair p = pair_new();
    struct entities *b = p.b->k.entities;
    b->journal_bytes_max = 4 * KIB;
    for (uint64_t v = 101; v < 200; v++)
        put_both(&p, "x", v);
    assert_true(b->journal.bytes <= 4 * KIB);
    assert_true(b->journal.end - b->journal.first > 3);
    replica_run_ms(p.a, 100);
    put_both(&p, "y", 300);
    entities_deactivate(p.a->k.entities);
    replica_activate(p.b, replica_position(p.a)); /* that of 199 */
    replica_run_ms(p.b, 100);
    expect_pods(p.b, "300", "");
    expect_gap(p.b, 0, 0);
    pair_free(&p);
}

static void test_a_leader_without_room_for_too_long(void **state)
{
    (void)state;
    struct pair p = pair_new();
    struct entities *a = p.a->k.entities;
    a->journal_bytes_max = 4 * KIB;
    p.a->room = 0;
    for (uint64_t v = 101; v < 200; v++) {
        put(p.a, v % 2 == 0 ? "x" : "y", v);
        replica_run_ms(p.a, 10);
    }
    put_named(p.a, KIND_JOB, "j", 200, false);
    assert_true(a->counters.dropped_changes > 0);
    uint64_t left = a->journal.end - a->journal.first;
    assert_int_equal(a->counters.dropped_changes + left, 100);
    p.a->room = NOT_LIMITED;
    entities_room(a);
    replica_run_ms(p.a, 1000);
    /* What is left of the changes, then the state of that stream; not of others. */
    assert_int_equal(replica_count(p.a, "state k8s.pod {k8s.pod.uid=x}"), 1 + (left - 1) / 2);
    assert_int_equal(replica_count(p.a, "state k8s.pod {k8s.pod.uid=old}"), 1);
    assert_int_equal(replica_count(p.a, "state k8s.job"), 1);
    expect_gap(p.a, 0, 0);
    pair_free(&p);
}

/* What waits is not old, whatever its age. */
static void test_a_leader_without_room_for_a_while(void **state)
{
    (void)state;
    struct pair p = pair_new();
    p.a->room = 0;
    put(p.a, "x", 101);
    replica_run_ms(p.a, 200000);
    delete (p.a, "x", 102);
    p.a->room = NOT_LIMITED;
    entities_room(p.a->k.entities);
    replica_run_ms(p.a, 1000);
    expect_pods(p.a, "101", "x");
    assert_int_equal(p.a->k.entities->counters.dropped_changes, 0);
    pair_free(&p);
}

static void test_a_position_that_cannot_be_used(void **state)
{
    (void)state;
    struct replica *other = replica_new(loop, 0, "bank shop"); /* its streams are others */
    replica_sync(other, 100);
    replica_activate(other, "");
    put(other, "x", 101);
    replica_run_ms(other, 100);
    const char *const positions[] = {"x", "1AAAAAAAAAAAAAAAAAAAA", "{\"v\":1}",
                                     replica_position(other)};
    for (size_t i = 0; i < COUNT_OF(positions); i++) {
        struct pair p = pair_new();
        replica_activate(p.b, positions[i]);
        replica_run_ms(p.b, 100);
        expect_pods(p.b, "50", "");
        expect_gap(p.b, p.b->k.entities->stream_count, 1);
        pair_free(&p);
    }
    replica_free(other);
}

/* More streams than a position has room for: those of pods, which come first, keep their marks. */
static void test_very_many_streams(void **state)
{
    (void)state;
    struct buf namespaces;
    buf_init(&namespaces, 4 * KIB);
    buf_text(&namespaces, "shop");
    for (int i = 1; i < 40; i++)
        buf_printf(&namespaces, " n%d", i);
    struct replica *a = replica_new(loop, 0, buf_cstr(&namespaces));
    struct replica *b = replica_new(loop, 0, buf_cstr(&namespaces));
    struct entities *e = b->k.entities;
    assert_true(e->stream_count > 400);
    put(a, "x", 101);
    put(b, "x", 101);
    put_named(a, KIND_PERSISTENT_VOLUME_CLAIM, "claim", 102, false);
    put_named(b, KIND_PERSISTENT_VOLUME_CLAIM, "claim", 102, false);
    replica_sync(a, 200);
    replica_sync(b, 200);
    /* Bookmarks, far from each other. */
    for (size_t i = 0; i < a->k.stream_count; i++) {
        replica_set_version(&a->streams[i], 90000000 - i * 200000);
        replica_set_version(&b->streams[i], 90000000 - i * 200000);
    }
    replica_run_ms(a, 2000);
    replica_activate(a, "");
    replica_run_ms(a, 100);
    const char *position = replica_position(a);
    assert_true(strlen(position) > LIMIT_POSITION_BYTES / 2 &&
                strlen(position) <= LIMIT_POSITION_BYTES);
    replica_activate(b, position);
    replica_run_ms(b, 100);
    assert_int_equal(replica_count(b, "state k8s.pod "), 0);
    assert_int_equal(replica_count(b, "state k8s.persistentvolumeclaim"), 1);
    replica_free(a);
    replica_free(b);
    buf_deinit(&namespaces);
}

/* A cold replica: it has no journal, but the fingerprint may show that none is needed. */
static void test_a_cold_successor(void **state)
{
    (void)state;
    for (int changed = 0; changed < 2; changed++) {
        struct pair p = pair_new();
        put(p.a, "x", 101);
        replica_run_ms(p.a, 100);
        entities_deactivate(p.a->k.entities);
        struct replica *cold = replica_new(loop, 0, "");
        replica_activate(cold, replica_position(p.a));
        replica_run_ms(cold, 1000);
        put(cold, "old", 50);
        put(cold, "x", changed ? 110 : 101);
        replica_sync(cold, 120);
        replica_run_ms(cold, 100);
        expect_pods(cold, changed ? "50 110" : "", "");
        expect_gap(cold, changed ? 1 : 0, changed ? 2 : 0);
        replica_free(cold);
        pair_free(&p);
    }
}

/* ---- what takes more than one batch ---- */

enum { MANY = 1700 };

static void put_many(struct replica *r, uint64_t first_version)
{
    for (uint64_t i = 0; i < MANY; i++) {
        char uid[16];
        snprintf(uid, sizeof uid, "m%" PRIu64, i);
        put(r, uid, first_version + i);
    }
}

/* A batch brings the position as far as it goes, no further. */
static void test_a_crash_between_two_batches(void **state)
{
    (void)state;
    struct pair p = pair_new();
    put_many(p.a, 1000);
    put_many(p.b, 1000);
    p.a->room = 1;
    replica_run_ms(p.a, 1000);
    assert_int_equal(p.a->batch_count, 1);
    entities_deactivate(p.a->k.entities);
    replica_activate(p.b, replica_position(p.a));
    replica_run_ms(p.b, 1000);
    assert_true(replica_record_count(p.a) < MANY);
    assert_int_equal(replica_record_count(p.a) + replica_record_count(p.b), MANY);
    expect_gap(p.b, 0, 0);
    pair_free(&p);
}

/* Half a state is none. */
static void test_a_crash_within_a_full_state(void **state)
{
    (void)state;
    for (int batches = 1; batches <= 5; batches++) {
        struct replica *a = replica_new(loop, 0, ""), *b = replica_new(loop, 0, "");
        put_many(a, 1000);
        put_many(b, 1000);
        replica_sync(a, 5000);
        replica_sync(b, 5000);
        a->room = (size_t)batches;
        replica_activate(a, "");
        replica_run_ms(a, 1000);
        bool complete = replica_record_count(a) == MANY;
        replica_activate(b, replica_position(a));
        replica_run_ms(b, 1000);
        assert_int_equal(replica_record_count(b), complete ? 0 : MANY);
        assert_int_equal(b->k.entities->counters.gap_objects, complete ? 0 : MANY);
        if (batches == 1)
            assert_false(complete);
        if (batches == 5)
            assert_true(complete);
        replica_free(a);
        replica_free(b);
    }
}

/* Changes that are dropped while a full state is under way may be of objects that it has passed. */
static void test_drops_within_a_full_state(void **state)
{
    (void)state;
    struct replica *a = replica_new(loop, 0, "");
    put_many(a, 1000);
    replica_sync(a, 5000);
    a->room = 2;
    replica_activate(a, "");
    replica_run_ms(a, 1000);
    assert_int_equal(replica_count(a, "state k8s.pod {k8s.pod.uid=m0}"), 1);
    a->k.entities->journal_bytes_max = 0;
    put(a, "m0", 6000);
    assert_int_equal(a->k.entities->counters.dropped_changes, 1);
    replica_forget(a);
    a->room = NOT_LIMITED;
    entities_room(a->k.entities);
    replica_run_ms(a, 1000);
    assert_int_equal(replica_count(a, "state k8s.pod {k8s.pod.uid=m0} {k8s.namespace.name=shop, "
                                      "k8s.node.name=, k8s.pod.label.rv=6000,"),
                     1);
    replica_free(a);
}

/* ---- etcd was restored ---- */

static void relist(struct replica *r, uint64_t version, const char *const *uids,
                   const uint64_t *versions, size_t count)
{
    for (size_t i = 0; i < count; i++)
        put_named(r, KIND_POD, uids[i], versions[i], true);
    replica_set_version(pods_of(r), version);
}

static void test_versions_that_went_back_while_leading(void **state)
{
    (void)state;
    struct pair p = pair_new();
    put(p.a, "x", 500);
    replica_run_ms(p.a, 100);
    replica_forget(p.a);
    static const char *const uids[] = {"old", "x"};
    relist(p.a, 210, uids, (const uint64_t[]){60, 200}, 2);
    replica_run_ms(p.a, 1500);
    expect_pods(p.a, "60 200 60 200", ""); /* as changes, and again as a full state */
    expect_gap(p.a, 1, 2);
    put(p.a, "y", 211);
    replica_run_ms(p.a, 1500);
    expect_pods(p.a, "211", "");
    pair_free(&p);
}

static void test_a_position_of_another_history(void **state)
{
    (void)state;
    for (int how = 0; how < 3; how++) {
        struct pair p = pair_new();
        put(p.a, "x", 5000);
        replica_run_ms(p.a, 100);
        entities_deactivate(p.a->k.entities);
        static const char *const uids[] = {"old"};
        struct replica *b = p.b;
        if (how == 0) { /* the standby has seen it */
            put(b, "x", 5000);
            replica_delete(b, pods_of(b), "x", 0, true);
            relist(b, 210, uids, (const uint64_t[]){60}, 1);
            replica_run_ms(b, 1500);
        } else if (how == 1) { /* it has started since */
            replica_free(b);
            b = replica_new(loop, 0, "");
            put(b, "old", 60);
        }
        replica_activate(b, replica_position(p.a));
        if (how == 1)
            replica_sync(b, 210);
        if (how ==
            2) { /* it sees it only when it leads: its versions do not reach those of the position */
            put(b, "old", 210);
            replica_run_ms(b, 1000);
            assert_int_equal(b->batch_count, 0);
            replica_run_ms(b, LIMIT_POSITION_AHEAD_S * 1000);
        }
        replica_run_ms(b, 1500);
        expect_pods(b, how == 2 ? "210" : "60", "");
        expect_gap(b, 1, 1);
        put(b, "y", 211);
        replica_run_ms(b, 100);
        expect_pods(b, "211", "");
        p.b = b;
        pair_free(&p);
    }
}

/* ---- lists ---- */

/* Changes that a list finds come in no order, so the position waits for its end. */
static void test_a_list_moves_the_position_at_its_end(void **state)
{
    (void)state;
    for (int complete = 0; complete < 2; complete++) {
        struct pair p = pair_new();
        put_named(p.a, KIND_POD, "late", 190, true);
        replica_run_ms(p.a, 100);
        if (complete) {
            put_named(p.a, KIND_POD, "early", 110, true);
            replica_set_version(pods_of(p.a), 200);
            replica_run_ms(p.a, 1500);
            put_named(p.a, KIND_JOB, "j", 201, false); /* brings a position */
            replica_run_ms(p.a, 100);
        }
        put(p.b, "early", 110);
        put(p.b, "late", 190);
        entities_deactivate(p.a->k.entities);
        replica_activate(p.b, replica_position(p.a));
        put_named(p.b, KIND_JOB, "j", 201, false);
        replica_run_ms(p.b, 100);
        expect_pods(p.b, complete ? "" : "110 190", "");
        pair_free(&p);
    }
}

/* A watch goes on while its list still takes out what is gone. */
static void test_a_list_that_ends_late(void **state)
{
    (void)state;
    struct pair p = pair_new();
    struct k8s_stream *pods = pods_of(p.a);
    put_both(&p, "gone", 101);
    replica_run_ms(p.a, 100);
    replica_forget(p.a);
    delete (p.b, "gone", 110);
    put(p.b, "x", 120);
    pods->watch->version[0] = '\0'; /* a list is being taken over */
    put(p.a, "x", 120);
    pods->watch->version[0] = '\0';
    replica_run_ms(p.a, 100);
    char *position = str_dup(str_from(replica_position(p.a)));
    expect_pods(p.a, "120", "");
    replica_delete(p.a, pods, "gone", 0, true);
    /* It dies before that is sent. */
    replica_activate(p.b, position);
    replica_run_ms(p.b, 100);
    expect_pods(p.b, "120", "gone");
    mem_free(position);
    pair_free(&p);
}

/* What a list has found so far is no journal to go on with, even if the list ends before the new receiver starts. */
static void test_a_reload_while_a_list_is_taken_over(void **state)
{
    (void)state;
    struct replica *r = replica_new(loop, 0, "");
    struct k8s_stream *pods = pods_of(r);
    put(r, "quiet", 50);
    replica_sync(r, 100);
    replica_activate(r, "");
    replica_run_ms(r, 1000);
    expect_pods(r, "50", "");
    entities_deactivate(r->k.entities);
    pods->watch->version[0] = '\0';
    put(r, "x", 120);
    pods->watch->version[0] = '\0';
    struct entities *old = r->k.entities;
    r->k.entities = entities_new(&r->k);
    entities_carry(r->k.entities, old);
    entities_free(old);
    replica_set_version(pods, 130);
    entities_start(r->k.entities);
    for (size_t i = 0; i < r->k.stream_count; i++)
        entities_state(r->k.entities, &r->streams[i]);
    replica_activate(r, replica_position(r));
    replica_run_ms(r, 1000);
    expect_pods(r, "50 120", "");
    replica_free(r);
}

/* A delete that the standby's list has found: known to have come before the end of the list. */
static void test_a_delete_without_a_version(void **state)
{
    (void)state;
    for (int sent = 0; sent < 2; sent++) {
        struct pair p = pair_new();
        put_both(&p, "gone", 101);
        replica_run_ms(p.a, 100);
        replica_delete(p.b, pods_of(p.b), "gone", 0, true);
        replica_set_version(pods_of(p.b), 150);
        replica_run_ms(p.b, 2000);
        if (sent) {
            delete (p.a, "gone", 110);
            put(p.a, "x", 151);
            replica_run_ms(p.a, 100);
        }
        put(p.b, "x", 151);
        put(p.b, "y", 152);
        replica_activate(p.b, replica_position(p.a));
        replica_run_ms(p.b, 100);
        expect_pods(p.b, sent ? "152" : "151 152", sent ? "" : "gone");
        expect_gap(p.b, 0, 0);
        pair_free(&p);
    }
}

/* The same, and it leaves the journal before the end of the list is known. */
static void test_a_delete_without_a_version_that_leaves(void **state)
{
    (void)state;
    for (int sent = 0; sent < 2; sent++) {
        struct pair p = pair_new();
        put_both(&p, "gone", 101);
        replica_run_ms(p.a, 100);
        replica_run_ms(p.b, 61000);
        replica_delete(p.b, pods_of(p.b), "gone", 0, true);
        replica_run_ms(p.b, 61000);
        assert_true(journal_is_empty(&p.b->k.entities->journal));
        replica_set_version(pods_of(p.b), 150);
        replica_run_ms(p.b, 2000);
        delete (p.a, "gone", 110);
        p.a->room = sent ? NOT_LIMITED : 0;
        put(p.a, "x", 151);
        put(p.b, "x", 151);
        put(p.b, "y", 152);
        replica_run_ms(p.a, 100);
        replica_activate(p.b, replica_position(p.a));
        replica_run_ms(p.b, 100);
        expect_pods(p.b, sent ? "152" : "50 151 152", "");
        expect_gap(p.b, sent ? 0 : 1, sent ? 0 : 3);
        pair_free(&p);
    }
}

/* Leading, but a kind is not listed yet; the others change so much that the journal is full. */
static void test_what_leaves_the_journal_while_the_first_leader_waits_was_not_sent(void **state)
{
    (void)state;
    struct replica *r = replica_new(loop, 0, "");
    put(r, "old", 50);
    replica_activate(r, "");
    struct k8s_stream *late = replica_stream(r, KIND_JOB, STR("shop"));
    r->k.entities->journal_bytes_max = 4 * KIB;
    for (size_t i = 0; i < r->k.stream_count; i++) {
        if (&r->streams[i] == late)
            continue;
        replica_set_version(&r->streams[i], 100);
        r->watches[i].synced = true;
        entities_state(r->k.entities, &r->streams[i]);
    }
    for (uint64_t v = 101; v < 200; v++)
        put(r, "x", v);
    replica_run_ms(r, 1000);
    expect_pods(r, "", "");
    replica_set_version(late, 200);
    late->watch->synced = true;
    entities_state(r->k.entities, late);
    replica_run_ms(r, 1000);
    /* nothing was ever sent: the state of every pod is due */
    assert_int_equal(replica_count(r, "state k8s.pod {k8s.pod.uid=old}"), 1);
    replica_free(r);
}

/* The same for a successor: changes that left the journal are a gap. */
static void test_what_leaves_the_journal_while_a_successor_waits_is_a_gap(void **state)
{
    (void)state;
    struct pair p = pair_new();
    struct k8s_stream *late = replica_stream(p.b, KIND_JOB, STR("shop"));
    late->watch->synced = false;
    entities_state(p.b->k.entities, late);
    entities_deactivate(p.a->k.entities);
    p.b->k.entities->journal_bytes_max = 4 * KIB;
    replica_activate(p.b, replica_position(p.a));
    put(p.b, "y", 101);
    for (uint64_t v = 102; v < 200; v++)
        put(p.b, "x", v);
    replica_run_ms(p.b, 1000);
    late->watch->synced = true;
    entities_state(p.b->k.entities, late);
    replica_run_ms(p.b, 1000);
    assert_int_equal(replica_count(p.b, "state k8s.pod {k8s.pod.uid=y}"), 1);
    pair_free(&p);
}

/* All is sent, and a reload is about to come. */
static struct replica *replica_before_a_reload(void)
{
    struct replica *r = replica_new(loop, 0, "");
    put(r, "quiet", 50);
    replica_sync(r, 100);
    replica_activate(r, "");
    replica_run_ms(r, 1000);
    expect_pods(r, "50", "");
    entities_deactivate(r->k.entities);
    return r;
}

/* A list is under way (its version is not there yet, that of the watch before is) and has brought a change; then a reload. */
static void test_a_reload_within_a_list(void **state)
{
    (void)state;
    struct replica *r = replica_before_a_reload();
    put_named(r, KIND_POD, "x", 120, true);
    reload(r, NULL, 0);
    replica_activate(r, replica_position(r));
    replica_run_ms(r, 1000);
    replica_set_version(pods_of(r), 130); /* the list is complete */
    replica_run_ms(r, 3000);
    assert_int_equal(replica_count(r, "state k8s.pod {k8s.pod.uid=x}"), 1);
    expect_gap(r, 1, 2);
    /* From then on the journal is good again. */
    entities_deactivate(r->k.entities);
    put(r, "y", 131);
    replica_activate(r, replica_position(r));
    replica_run_ms(r, 3000);
    assert_int_equal(replica_count(r, "state k8s.pod {k8s.pod.uid=y}"), 1);
    assert_int_equal(replica_count(r, "state k8s.pod {k8s.pod.uid=x}"), 1);
    for (int is_synced = 0; is_synced < 2; is_synced++) { /* nor does the next trouble tear it again */
        pods_of(r)->watch->synced = is_synced;
        entities_state(r->k.entities, pods_of(r));
    }
    replica_run_ms(r, 1000);
    expect_gap(r, 1, 2);
    replica_free(r);
}

/* The receiver starts while its watch has no version (a list after a restored etcd, or one that is being taken over); users are
 * not told of a state when it is there again. */
static void test_a_start_without_a_version_is_followed(void **state)
{
    (void)state;
    struct replica *r = replica_before_a_reload();
    pods_of(r)->watch->version[0] = '\0';
    reload(r, NULL, 0);
    replica_activate(r, replica_position(r));
    replica_run_ms(r, 1000);
    replica_set_version(pods_of(r), 130);
    replica_run_ms(r, 3000);
    put(r, "x", 131);
    replica_run_ms(r, 3000);
    assert_int_equal(replica_count(r, "state k8s.pod {k8s.pod.uid=x}"), 1);
    replica_free(r);
}

int main(void)
{
#define TEST(fn) cmocka_unit_test(fn)
    const struct CMUnitTest tests[] = {
        TEST(test_the_ring),
        TEST(test_fingerprints),
        TEST(test_the_floor_leads_to_the_store),
        TEST(test_the_next_leader_goes_on),
        TEST(test_a_young_successor_in_a_quiet_cluster),
        TEST(test_a_successor_that_is_behind),
        TEST(test_where_the_journal_ends),
        TEST(test_how_long_changes_are_kept),
        TEST(test_watches_that_were_left),
        TEST(test_a_reload_carries_the_journal),
        TEST(test_a_reload_that_reads_more_of_each_object),
        TEST(test_a_reload_to_other_watches),
        TEST(test_a_reload_while_a_list_is_taken_over),
        TEST(test_the_very_end_of_the_journal),
        TEST(test_a_bounded_journal),
        TEST(test_a_leader_without_room_for_too_long),
        TEST(test_a_leader_without_room_for_a_while),
        TEST(test_a_position_that_cannot_be_used),
        TEST(test_very_many_streams),
        TEST(test_a_cold_successor),
        TEST(test_versions_that_went_back_while_leading),
        TEST(test_a_position_of_another_history),
        TEST(test_a_list_moves_the_position_at_its_end),
        TEST(test_a_list_that_ends_late),
        TEST(test_a_delete_without_a_version),
        TEST(test_a_delete_without_a_version_that_leaves),
        TEST(test_a_crash_between_two_batches),
        TEST(test_a_crash_within_a_full_state),
        TEST(test_drops_within_a_full_state),
        TEST(test_what_leaves_the_journal_while_the_first_leader_waits_was_not_sent),
        TEST(test_what_leaves_the_journal_while_a_successor_waits_is_a_gap),
        TEST(test_a_reload_within_a_list),
        TEST(test_a_start_without_a_version_is_followed),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
