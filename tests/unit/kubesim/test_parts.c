/* The parts that only look at text and trees: selectors, patches, paths, Accept, pages, documents. */
#include "world.h"

#include <stdio.h>
#include <string.h>

#include "kubesim/patch.h"
#include "kubesim/request.h"

static struct arena arena;

static int setup(void **state)
{
    (void)state;
    arena_init(&arena, 4096);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    arena_deinit(&arena);
    return 0;
}

static void test_label_selectors(void **state)
{
    /* Against the labels app=x, n=5, empty=, example.com/k=v. */
    static const struct {
        const char *text;
        int match; /* -1: an error */
    } cases[] = {
        {"", 1},
        {"  ", 1},
        {"app", 1},
        {"!app", 0},
        {"nope", 0},
        {"!nope", 1},
        {"app=x", 1},
        {"app==x", 1},
        {"app = x", 1},
        {"app=y", 0},
        {"app!=y", 1},
        {"app!=x", 0},
        {"nope!=x", 1},
        {"nope=x", 0},
        {"app in (x)", 1},
        {"app in (y,x)", 1},
        {"app in ( y , z )", 0},
        {"app notin (y)", 1},
        {"nope notin (y)", 1},
        {"app notin (x,y)", 0},
        {"empty=", 1},
        {"empty", 1},
        {"app=", 0},
        {"empty in ()", 1},
        {"empty in (,x)", 1},
        {"n>4", 1},
        {"n>5", 0},
        {"n<6", 1},
        {"n<5", 0},
        {"app>1", 0},
        {"nope>1", 0},
        {"app=x,n=5", 1},
        {"app=x,n=6", 0},
        {"app=x , n", 1},
        {"example.com/k=v", 1},
        {"example.com/k in (v)", 1},
        {"in=x", 0},
        {"!in", 1},
        {"notin", 0},
        {"app in (x", -1},
        {"app in x", -1},
        {"app in", -1},
        {"in (x)", -1},
        {"=", -1},
        {"=x", -1},
        {"a=b=c", -1},
        {"a b", -1},
        {",", -1},
        {"app=x,", -1},
        {",app=x", -1},
        {"app=x,,n", -1},
        {"!", -1},
        {"!!app", -1},
        {"!app=x", -1},
        {"n>x", -1},
        {"n>", -1},
        {"a=b c", -1},
        {"a=-b", -1},
        {"-a=b", -1},
        {"a/b/c=d", -1},
        {"A_b/c=d", -1},
        {"app)", -1},
        {"(app)", -1},
        {"app in (x))", -1},
        {"app in (x y)", -1},
        {"app in ((x))", -1},
        {"\xff=x", -1},
        {"a=\xff", -1},
        {"app===x", -1},
        {"app=!x", -1},
    };
    static const struct sim_label labels[] = {{{"app", 3}, {"x", 1}},
                                              {{"n", 1}, {"5", 1}},
                                              {{"empty", 5}, {"", 0}},
                                              {{"example.com/k", 13}, {"v", 1}}};
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct label_selector s;
        struct err err;
        bool ok = label_selector_parse(&s, &arena, str_from(cases[i].text), &err);
        print_message("'%s'\n", cases[i].text);
        assert_int_equal(ok, cases[i].match != -1);
        if (ok)
            assert_int_equal(label_selector_match(&s, labels, COUNT_OF(labels)), cases[i].match);
    }
}

static void test_field_selectors(void **state)
{
    /* Against name "a,b=c" in namespace "n". */
    static const struct {
        const char *text;
        int match;
        const char *name;
    } cases[] = {
        {"", 1, ""},
        {"metadata.name=x", 0, "x"},
        {"metadata.name=a\\,b\\=c", 1, "a,b=c"},
        {"metadata.name==a\\,b\\=c", 1, "a,b=c"},
        {"metadata.name!=x", 1, ""},
        {"metadata.namespace=n", 1, ""},
        {"metadata.namespace=n,metadata.name!=x", 1, ""},
        {"metadata.namespace!=n", 0, ""},
        {"metadata.name=", 0, ""},
        {",", 1, ""},
        {"metadata.namespace=n,", 1, ""},
        {"metadata.name=x,metadata.name=y", 0, "x"},
        {"metadata.name", -1, ""},
        {"name=x", -1, ""},
        {"metadata.name=a=b", -1, ""},
        {"metadata.name=a\\", -1, ""},
        {"metadata.name=a\\b", -1, ""},
        {"=x", -1, ""},
        {"metadata.name in (x)", -1, ""},
        {"metadata.name!x", -1, ""},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct field_selector s;
        struct err err;
        bool ok = field_selector_parse(&s, &arena, str_from(cases[i].text), &err);
        print_message("'%s'\n", cases[i].text);
        assert_int_equal(ok, cases[i].match != -1);
        if (!ok)
            continue;
        assert_int_equal(field_selector_match(&s, STR("a,b=c"), STR("n")), cases[i].match);
        assert_true(str_eqz(field_selector_name(&s), cases[i].name));
    }
}

static void test_limits_of_selectors(void **state)
{
    struct buf b;
    struct err err;
    struct label_selector s;
    struct field_selector f;
    (void)state;
    buf_init(&b, 1 << 20);
    for (int i = 0; i < 1000; i++)
        buf_printf(&b, "%sa", i == 0 ? "" : ",");
    assert_true(label_selector_parse(&s, &arena, buf_view(&b), &err));
    assert_int_equal(s.count, 1000);
    buf_text(&b, ",a");
    assert_false(label_selector_parse(&s, &arena, buf_view(&b), &err));
    buf_clear(&b);
    buf_text(&b, "a in (");
    for (int i = 0; i < 1001; i++)
        buf_printf(&b, "%sa", i == 0 ? "" : ",");
    buf_text(&b, ")");
    assert_false(label_selector_parse(&s, &arena, buf_view(&b), &err));
    buf_clear(&b);
    for (int i = 0; i < 1001; i++)
        buf_printf(&b, "%smetadata.name=a", i == 0 ? "" : ",");
    assert_false(field_selector_parse(&f, &arena, buf_view(&b), &err));
    buf_deinit(&b);
}

/* Single quotes stand for double ones. */
static struct dom *document(const char *text)
{
    struct err err;
    char *copy = arena_cstr(&arena, str_from(text));
    for (char *c = copy; *c != '\0'; c++)
        *c = *c == '\'' ? '"' : *c;
    struct dom *d = dom_parse(&arena, str_from(copy), &err);
    if (d == NULL)
        fail_msg("%s: %s", text, err.text);
    return d;
}

static void assert_document(const struct dom *d, const char *expected)
{
    struct buf b, wanted;
    buf_init(&b, 1 << 20);
    buf_init(&wanted, 1 << 20);
    dom_print(&b, d);
    dom_print(&wanted, document(expected));
    assert_string_equal(buf_cstr(&b), buf_cstr(&wanted));
    buf_deinit(&b);
    buf_deinit(&wanted);
}

static void test_merge_patch(void **state)
{
    /* The table of RFC 7386, appendix A. */
    static const char *const cases[][3] = {
        {"{'a':'b'}", "{'a':'c'}", "{'a':'c'}"},
        {"{'a':'b'}", "{'b':'c'}", "{'a':'b','b':'c'}"},
        {"{'a':'b'}", "{'a':null}", "{}"},
        {"{'a':'b','b':'c'}", "{'a':null}", "{'b':'c'}"},
        {"{'a':['b']}", "{'a':'c'}", "{'a':'c'}"},
        {"{'a':'c'}", "{'a':['b']}", "{'a':['b']}"},
        {"{'a':{'b':'c'}}", "{'a':{'b':'d','c':null}}", "{'a':{'b':'d'}}"},
        {"{'a':[{'b':'c'}]}", "{'a':[1]}", "{'a':[1]}"},
        {"['a','b']", "['c','d']", "['c','d']"},
        {"{'a':'b'}", "['c']", "['c']"},
        {"{'a':'foo'}", "null", "null"},
        {"{'a':'foo'}", "'bar'", "'bar'"},
        {"{'e':null}", "{'a':1}", "{'e':null,'a':1}"},
        {"[1,2]", "{'a':'b','c':null}", "{'a':'b'}"},
        {"{}", "{'a':{'bb':{'ccc':null}}}", "{'a':{'bb':{}}}"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_document(patch_merge(&arena, document(cases[i][0]), document(cases[i][1])),
                        cases[i][2]);
}

static void test_strategic_patch(void **state)
{
    static const char *const cases[][3] = {
        {"{'a':{'b':1,'c':2}}", "{'a':{'$patch':'replace','d':3}}", "{'a':{'d':3}}"},
        {"{'a':{'b':1},'c':2}", "{'a':{'$patch':'delete'}}", "{'c':2}"},
        {"{'finalizers':['a','b']}", "{'finalizers':['c','a']}", "{'finalizers':['c','a','b']}"},
        {"{'finalizers':['a','b']}", "{'$deleteFromPrimitiveList/finalizers':['a']}",
         "{'finalizers':['b']}"},
        {"{'finalizers':['a']}", "{'$deleteFromPrimitiveList/finalizers':['a']}", "{}"},
        {"{'finalizers':['a']}", "{'$setElementOrder/finalizers':['b','a'],'finalizers':['b']}",
         "{'finalizers':['b','a']}"},
        {"{'ownerReferences':[{'uid':'1','x':1}]}",
         "{'ownerReferences':[{'uid':'1','y':2},{'uid':'2'}]}",
         "{'ownerReferences':[{'uid':'1','x':1,'y':2},{'uid':'2'}]}"},
        {"{'ownerReferences':[{'uid':'1'},{'uid':'2'}]}",
         "{'ownerReferences':[{'uid':'1','$patch':'delete'},{'uid':'3','$patch':'delete'}]}",
         "{'ownerReferences':[{'uid':'2'}]}"},
        {"{'list':[1,2]}", "{'list':[3]}", "{'list':[3]}"},
        {"{'a':1,'b':2}", "{'$retainKeys':['b','c'],'c':3}", "{'b':2,'c':3}"},
        {"{}", "{'a':{'b':{'c':1}}}", "{'a':{'b':{'c':1}}}"},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++)
        assert_document(patch_strategic(&arena, document(cases[i][0]), document(cases[i][1])),
                        cases[i][2]);
}

static void test_json_patch(void **state)
{
    /* Result NULL: refused, with this code. */
    static const struct {
        const char *target, *patch, *result;
        int code;
    } cases[] = {
        {"{'a':1}", "[]", "{'a':1}", 0},
        {"{'foo':'bar'}", "[{'op':'add','path':'/baz','value':'qux'}]", "{'foo':'bar','baz':'qux'}",
         0},
        {"{'foo':['a','b']}", "[{'op':'add','path':'/foo/1','value':'x'}]", "{'foo':['a','x','b']}",
         0},
        {"{'foo':['a']}", "[{'op':'add','path':'/foo/-','value':'x'}]", "{'foo':['a','x']}", 0},
        {"{'foo':['a']}", "[{'op':'add','path':'/foo/1','value':'x'}]", "{'foo':['a','x']}", 0},
        {"{'foo':['a']}", "[{'op':'add','path':'/foo/2','value':'x'}]", NULL, 422},
        {"{'foo':['a']}", "[{'op':'add','path':'/foo/01','value':'x'}]", NULL, 422},
        {"{'foo':['a','b','c']}", "[{'op':'remove','path':'/foo/1'}]", "{'foo':['a','c']}", 0},
        {"{'foo':['a','b']}", "[{'op':'remove','path':'/foo/0'},{'op':'remove','path':'/foo/0'}]",
         "{'foo':[]}", 0},
        {"{'a':1}", "[{'op':'remove','path':'/b'}]", NULL, 422},
        {"{'a':1,'b':2}", "[{'op':'replace','path':'/a','value':{'c':3}}]", "{'a':{'c':3},'b':2}",
         0},
        {"{'a':[1,2]}", "[{'op':'replace','path':'/a/0','value':9}]", "{'a':[9,2]}", 0},
        {"{'a':1}", "[{'op':'replace','path':'/b','value':1}]", NULL, 422},
        {"{'a':{'b':1}}", "[{'op':'move','from':'/a/b','path':'/c'}]", "{'a':{},'c':1}", 0},
        {"{'a':{'b':1}}", "[{'op':'move','from':'/a','path':'/a/c'}]", NULL, 422},
        {"{'a':{'b':1}}", "[{'op':'copy','from':'/a','path':'/a/c'}]", "{'a':{'b':1,'c':{'b':1}}}",
         0},
        {"{'a':1}", "[{'op':'copy','from':'/x','path':'/y'}]", NULL, 422},
        {"{'a':{'b':[1,{'c':2}]}}", "[{'op':'test','path':'/a','value':{'b':[1,{'c':2}]}}]",
         "{'a':{'b':[1,{'c':2}]}}", 0},
        {"{'a':1}", "[{'op':'test','path':'/a','value':'1'}]", NULL, 422},
        {"{'a/b':1,'m~n':2}",
         "[{'op':'remove','path':'/a~1b'},{'op':'replace','path':'/m~0n','value':3}]", "{'m~n':3}",
         0},
        {"{'a':1}", "[{'op':'replace','path':'','value':{'b':2}}]", "{'b':2}", 0},
        {"{'':1}", "[{'op':'replace','path':'/','value':2}]", "{'':2}", 0},
        {"{'a':1}", "[{'op':'remove','path':''}]", NULL, 422},
        {"{'a':1}", "[{'op':'add','path':'a','value':1}]", NULL, 400},
        {"{'a':1}", "[{'op':'add','path':'/a/b','value':1}]", NULL, 422},
        {"{'a':1}", "[{'op':'add','path':'/a'}]", NULL, 422},
        {"{'a':1}", "[{'op':'add','value':1}]", NULL, 422},
        {"{'a':1}", "[{'op':'move','path':'/b'}]", NULL, 400},
        {"{'a':1}", "[{'op':'no','path':'/a'}]", NULL, 422},
        {"{'a':1}", "[5]", NULL, 400},
        {"{'a':1}", "{}", NULL, 400},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct err err = {0};
        struct dom *d =
            patch_json(&arena, document(cases[i].target), document(cases[i].patch), &err);
        print_message("%s %s\n", cases[i].target, cases[i].patch);
        if (cases[i].result == NULL) {
            assert_null(d);
            assert_int_equal(err.code, cases[i].code);
        } else {
            assert_non_null(d);
            assert_document(d, cases[i].result);
        }
    }
}

static void test_json_patch_cannot_blow_up(void **state)
{
    struct buf b;
    struct err err;
    (void)state;
    buf_init(&b, 1 << 20);
    /* Each copy doubles the document. */
    buf_byte(&b, '[');
    for (int i = 0; i < 100; i++)
        buf_printf(&b, "%s{\"op\":\"copy\",\"from\":\"\",\"path\":\"/x%d\"}", i == 0 ? "" : ",", i);
    buf_byte(&b, ']');
    struct dom *patch_document = dom_parse(&arena, arena_str(&arena, buf_view(&b)), &err);
    assert_non_null(patch_document);
    assert_null(patch_json(&arena, document("{'a':'b'}"), patch_document, &err));
    assert_int_equal(err.code, 422);
    /* A path that is too deep. */
    buf_clear(&b);
    buf_text(&b, "[{\"op\":\"remove\",\"path\":\"");
    for (int i = 0; i < 100; i++)
        buf_text(&b, "/a");
    buf_text(&b, "\"}]");
    patch_document = dom_parse(&arena, arena_str(&arena, buf_view(&b)), &err);
    assert_null(patch_json(&arena, document("{'a':{}}"), patch_document, &err));
    buf_deinit(&b);
}

static void test_documents(void **state)
{
    struct err err;
    (void)state;
    struct dom *d = document("{'b':1,'a':2,'b':3,'c':[1,2,3],'a':4}");
    assert_true(str_eqz(dom_getz(d, "b")->text, "3"));
    assert_true(dom_unique(&arena, d).data != NULL);
    assert_document(d, "{'b':3,'c':[1,2,3],'a':4}");
    assert_true(dom_unique(&arena, d).data == NULL);
    dom_sort(&arena, d);
    assert_document(d, "{'a':4,'b':3,'c':[1,2,3]}");
    struct dom *list = dom_getz(d, "c");
    dom_insert(list, 0, dom_number(&arena, 0));
    dom_insert(list, 4, dom_number(&arena, 4));
    dom_remove_item(list, 1);
    dom_remove_item(list, 3);
    dom_append(list, dom_string(&arena, STR("end")));
    assert_document(list, "[0,2,3,'end']");
    dom_set(d, STR("a"), dom_new(&arena, DOM_TRUE));
    dom_set(d, STR("z"), dom_new(&arena, DOM_NULL));
    assert_true(dom_remove(d, STR("c")));
    assert_false(dom_remove(d, STR("c")));
    assert_document(d, "{'a':true,'b':3,'z':null}");
    dom_set(d, STR("z"), dom_new(&arena, DOM_FALSE));
    dom_set(d, STR("y"), dom_new(&arena, DOM_NULL));
    assert_document(d, "{'a':true,'b':3,'z':false,'y':null}");
    assert_true(
        dom_equal(document("{'a':1,'b':[1,{'c':null}]}"), document("{'b':[1,{'c':null}],'a':1}")));
    assert_false(dom_equal(document("{'a':1}"), document("{'a':2}")));
    assert_false(dom_equal(document("[1,2]"), document("[2,1]")));
    assert_false(dom_equal(document("{'a':null}"), document("{'b':null}")));
    assert_null(dom_parse(&arena, STR("{} x"), &err));
    assert_null(dom_parse(&arena, STR(""), &err));
    assert_null(dom_parse(&arena, STR("{\"a\":1,}"), &err));
}

static void test_routes(void **state)
{
    static const struct {
        const char *path;
        enum route_type type;
        const char *group, *version, *namespace, *resource, *name, *subresource;
        bool too_deep;
    } cases[] = {
        {"/", ROUTE_INDEX, "", "", "", "", "", "", false},
        {"/api", ROUTE_DISCOVERY, "", "", "", "", "", "", false},
        {"/api/v1/", ROUTE_DISCOVERY, "", "v1", "", "", "", "", false},
        {"/apis/g/v", ROUTE_DISCOVERY, "g", "v", "", "", "", "", false},
        {"/api/v1/pods", ROUTE_RESOURCE, "", "v1", "", "pods", "", "", false},
        {"/api/v1/namespaces", ROUTE_RESOURCE, "", "v1", "", "namespaces", "", "", false},
        {"/api/v1/namespaces/n", ROUTE_RESOURCE, "", "v1", "n", "namespaces", "n", "", false},
        {"/api/v1/namespaces/n/status", ROUTE_RESOURCE, "", "v1", "n", "namespaces", "n", "status",
         false},
        {"/api/v1/namespaces/n/pods", ROUTE_RESOURCE, "", "v1", "n", "pods", "", "", false},
        {"/apis/g/v/namespaces/n/r/x/s", ROUTE_RESOURCE, "g", "v", "n", "r", "x", "s", false},
        {"/apis/g/v/namespaces/n/r/x/s/t", ROUTE_RESOURCE, "g", "v", "n", "r", "x", "s", true},
        {"/apis/g/v/r/x%2Fy", ROUTE_RESOURCE, "g", "v", "", "r", "x/y", "", false},
        {"/apis/g/v/r//x", ROUTE_RESOURCE, "g", "v", "", "r", "", "x", true},
        {"/readyz/etcd", ROUTE_HEALTH, "", "", "", "", "", "", false},
        {"/versions", ROUTE_UNKNOWN, "", "", "", "", "", "", false},
        {"/_sim/faults/1", ROUTE_CONTROL, "", "", "", "", "", "", false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct route r;
        route_parse(&r, &arena, str_from(cases[i].path));
        print_message("%s\n", cases[i].path);
        assert_int_equal(r.type, cases[i].type);
        assert_int_equal(r.too_deep, cases[i].too_deep);
        if (r.type != ROUTE_RESOURCE && r.type != ROUTE_DISCOVERY)
            continue;
        assert_true(str_eqz(r.group, cases[i].group));
        assert_true(str_eqz(r.version, cases[i].version));
        assert_true(str_eqz(r.namespace, cases[i].namespace));
        assert_true(str_eqz(r.resource, cases[i].resource));
        assert_true(str_eqz(r.name, cases[i].name));
        assert_true(str_eqz(r.subresource, cases[i].subresource));
    }
}

static void test_queries(void **state)
{
    struct query q;
    str value;
    (void)state;
    query_parse(&q, &arena, STR("a=1&b=%20x+y%2B&c&a=2&%zz=1&d=%4&=&e=x%3Dy=z"));
    assert_true(query_get(&q, "a", &value) && str_eqz(value, "1"));
    assert_true(query_get(&q, "b", &value) && str_eqz(value, " x y+"));
    assert_true(query_get(&q, "c", &value) && value.len == 0);
    assert_true(query_get(&q, "e", &value) && str_eqz(value, "x=y=z"));
    assert_false(query_get(&q, "d", &value));
    assert_true(query_bool(&q, "a"));
    assert_true(query_bool(&q, "c"));
    assert_false(query_bool(&q, "nope"));
    query_parse(&q, &arena, STR("a=0&b=false&c=FALSE&d=no"));
    assert_false(query_bool(&q, "a"));
    assert_false(query_bool(&q, "b"));
    assert_false(query_bool(&q, "c"));
    assert_true(query_bool(&q, "d"));
    query_parse(&q, &arena, STR(""));
    assert_int_equal(q.count, 0);
}

static void test_accept(void **state)
{
    static const struct {
        const char *header;
        enum view view;
        bool protobuf;
    } cases[] = {
        {"", VIEW_OBJECT, false},
        {" ", VIEW_OBJECT, false},
        {"*/*", VIEW_OBJECT, false},
        {"application/json", VIEW_OBJECT, false},
        {"application/json ; charset=utf-8", VIEW_OBJECT, false},
        {"APPLICATION/JSON", VIEW_NONE, false}, /* as kube-apiserver */
        {"text/html", VIEW_NONE, false},
        {"text/html, */*;q=0.1", VIEW_OBJECT, false},
        {"application/json;q=0", VIEW_NONE, false},
        {"application/vnd.kubernetes.protobuf", VIEW_OBJECT, true},
        {"application/vnd.kubernetes.protobuf;stream=watch", VIEW_OBJECT, true},
        {"application/vnd.kubernetes.protobuf,application/json", VIEW_OBJECT, true},
        {"application/json,application/vnd.kubernetes.protobuf", VIEW_OBJECT, false},
        {"*/*,application/vnd.kubernetes.protobuf", VIEW_OBJECT, true},
        {"*/*;q=0.9,application/vnd.kubernetes.protobuf;q=0.8", VIEW_OBJECT, false},
        {"application/vnd.kubernetes.protobuf;q=0.2,application/json;q=0.1", VIEW_OBJECT, true},
        {"application/vnd.kubernetes.protobuf;q=0.2,application/json;q=0.3", VIEW_OBJECT, false},
        {"application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;g=meta.k8s.io;v=v1",
         VIEW_METADATA, true},
        {"application/vnd.kubernetes.protobuf;as=Table;g=meta.k8s.io;v=v1", VIEW_NONE, false},
        {"application/vnd.kubernetes.protobuf;as=Table;g=meta.k8s.io;v=v1,application/json",
         VIEW_OBJECT, false},
        {"application/json;as=Table;v=v1;g=meta.k8s.io,application/json", VIEW_TABLE, false},
        {"application/json;as=Table;v=v1beta1;g=meta.k8s.io", VIEW_TABLE, false},
        {"application/json;as=Table;v=v2;g=meta.k8s.io,application/json", VIEW_OBJECT, false},
        {"application/json;q=0.5,application/json;as=Table;v=v1;g=meta.k8s.io;q=0.9", VIEW_TABLE,
         false},
        {"application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io", VIEW_METADATA, false},
        {"application/json;stream=watch", VIEW_OBJECT, false},
        {"application/json;stream=x", VIEW_NONE, false},
        {",,,", VIEW_NONE, false},
        {";;;", VIEW_NONE, false},
        {"application/json;q=", VIEW_NONE, false},
    };
    (void)state;
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        print_message("%s\n", cases[i].header);
        struct accepted a = accept_parse(str_from(cases[i].header), ACCEPT_MANY, true);
        assert_int_equal(a.view, cases[i].view);
        assert_int_equal(a.protobuf, cases[i].protobuf);
    }
    str metadata_list = STR("application/json;as=PartialObjectMetadataList;v=v1;g=meta.k8s.io");
    assert_int_equal(accept_parse(metadata_list, ACCEPT_ITEM, true).view, VIEW_NONE);
    assert_int_equal(accept_parse(metadata_list, ACCEPT_STATUS, true).view, VIEW_NONE);
    /* A custom resource has protobuf for its metadata only. */
    str protobuf = STR("application/vnd.kubernetes.protobuf,application/json");
    str metadata = STR("application/vnd.kubernetes.protobuf;as=PartialObjectMetadata;v=v1;"
                       "g=meta.k8s.io,application/json");
    assert_false(accept_parse(protobuf, ACCEPT_ITEM, false).protobuf);
    assert_int_equal(accept_parse(protobuf, ACCEPT_ITEM, false).view, VIEW_OBJECT);
    assert_true(accept_parse(metadata, ACCEPT_ITEM, false).protobuf);
    assert_false(accept_parse(metadata, ACCEPT_STATUS, true).protobuf);
}

static void test_continue_tokens(void **state)
{
    int64_t version;
    str start;
    (void)state;
    str token = continue_make(&arena, 17, STR("default/a\0"));
    assert_true(continue_parse(&arena, token, &version, &start));
    assert_int_equal(version, 17);
    assert_true(str_eq(start, STR("default/a\0")));
    /* The form of kube-apiserver. */
    assert_true(continue_parse(
        &arena, STR("eyJ2IjoibWV0YS5rOHMuaW8vdjEiLCJydiI6MjQ0LCJzdGFydCI6Ii9sMVx1MDAwMCJ9"),
        &version, &start));
    assert_int_equal(version, 244);
    assert_true(str_eq(start, STR("/l1\0")));
    assert_false(continue_parse(&arena, STR(""), &version, &start));
    assert_false(continue_parse(&arena, STR("e30"), &version, &start));
    assert_false(continue_parse(&arena, STR("bm90IGpzb24"), &version, &start));
    assert_false(continue_parse(&arena, continue_make(&arena, 0, STR("x")), &version, &start));
    assert_false(continue_parse(&arena, continue_make(&arena, -2, STR("x")), &version, &start));
    assert_true(continue_parse(&arena, continue_make(&arena, -1, STR("x")), &version, &start));
}

int main(void)
{
#define CASE(f) cmocka_unit_test_setup_teardown(f, setup, teardown)
    const struct CMUnitTest tests[] = {
        CASE(test_label_selectors),
        CASE(test_field_selectors),
        CASE(test_limits_of_selectors),
        CASE(test_merge_patch),
        CASE(test_strategic_patch),
        CASE(test_json_patch),
        CASE(test_json_patch_cannot_blow_up),
        CASE(test_documents),
        CASE(test_routes),
        CASE(test_queries),
        CASE(test_accept),
        CASE(test_continue_tokens),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
