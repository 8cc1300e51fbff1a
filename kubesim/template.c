/*
 * Templates of generated objects.
 *
 * Life of one: made from a tree whose texts contain places; printed once as JSON and once as
 * protobuf; the places are looked up in the bytes. sim_object_print copies the bytes and fills the
 * places, so a generated object costs no more to send than one that is kept, and its memory is a
 * few numbers.
 *
 * Invariant: both forms have the same number of places, which shows that nothing else in the bytes
 * looks like one.
 */
#include "kubesim/template.h"

#include "kubesim/limits.h"
#include "wire/text.h"

/* The width of the place at the beginning of `s`, or 0. */
static size_t place_width(const struct sim_template *t, str s)
{
    if (s.len < 2 || s.data[0] != '~')
        return 0;
    size_t width = t->fill(NULL, 0, s.data[1], NULL);
    if (width > s.len)
        return 0;
    for (size_t i = 2; i < width; i++) {
        if (s.data[i] != '~')
            return 0;
    }
    return width;
}

void template_text(const struct sim_template *t, const struct sim_values *values, str text,
                   char *out)
{
    for (size_t i = 0; i < text.len;) {
        size_t width = place_width(t, str_skip(text, i));
        if (width == 0)
            out[i] = text.data[i];
        else
            t->fill(values, t->seed, text.data[i + 1], out + i);
        i += width == 0 ? 1 : width;
    }
}

static void find_places(struct sim_template *t, struct template_bytes *bytes)
{
    str all = str_make(bytes->image.data, bytes->image.end);
    for (int pass = 0; pass < 2; pass++) {
        size_t count = 0;
        for (size_t i = 0; i < all.len;) {
            size_t width = place_width(t, str_skip(all, i));
            if (width > 0 && pass == 1)
                bytes->places[count] = (struct template_place){(uint32_t)i, all.data[i + 1]};
            count += width > 0;
            i += width > 0 ? width : 1;
        }
        if (pass == 0)
            bytes->places = ARENA_ARRAY(&t->arena, struct template_place, count + 1);
        bytes->place_count = count;
    }
}

static void print_form(struct sim_template *t, const struct dom *tree, bool protobuf)
{
    struct template_bytes *bytes = protobuf ? &t->protobuf : &t->json;
    struct buf b;
    buf_init(&b, LIMIT_SIM_OBJECT_BYTES);
    image_print(&b, t->kind, tree, protobuf, &bytes->image);
    CHECK(!b.overflow);
    bytes->image.data = arena_str(&t->arena, buf_view(&b)).data;
    buf_deinit(&b);
    find_places(t, bytes);
}

struct sim_template *template_new(const struct sim_kind *kind, const struct dom *tree,
                                  template_fill *fill, uint64_t seed)
{
    struct sim_template *t = mem_zalloc(sizeof *t);
    const struct dom *metadata = dom_getz(tree, "metadata");
    const struct dom *labels = dom_getz(metadata, "labels");
    t->kind = kind;
    t->fill = fill;
    t->seed = seed;
    arena_init(&t->arena, 32 * KIB);
    if (!rfc3339_parse(dom_text(metadata, "creationTimestamp"), &t->created_ns))
        t->created_ns = 0;
    t->namespace = arena_str(&t->arena, dom_text(metadata, "namespace"));
    t->name = arena_str(&t->arena, dom_text(metadata, "name"));
    t->uid = arena_str(&t->arena, dom_text(metadata, "uid"));
    size_t label_bytes = 0;
    for (const struct dom *m = labels == NULL ? NULL : labels->first; m != NULL; m = m->next) {
        CHECK(t->label_count < LABELS_GENERATED_MAX);
        t->labels[t->label_count++] =
            (struct template_label){arena_str(&t->arena, m->key), arena_str(&t->arena, m->text)};
        label_bytes += m->text.len;
    }
    CHECK(label_bytes <= LABEL_ROOM_BYTES);
    print_form(t, tree, false);
    if (kind->fields != NULL) {
        print_form(t, tree, true);
        CHECK(t->json.place_count == t->protobuf.place_count);
    }
    return t;
}

void template_free(struct sim_template *t)
{
    if (t == NULL)
        return;
    arena_deinit(&t->arena);
    mem_free(t);
}
