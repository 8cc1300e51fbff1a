/*
 * JSON framer: where a stream is cut into pieces must not matter, and documents that the reader
 * accepts must come out as they went in. The first byte seeds the cuts.
 */
#include "wire/json.h"

enum { ENDS_MAX = 4096 };
struct ends {
    size_t at[ENDS_MAX];
    size_t count;
};

static void frame_all(str text, uint32_t seed, bool in_pieces, struct ends *ends)
{
    struct json_framer f = {0};
    size_t done = 0;
    ends->count = 0;
    while (done < text.len) {
        size_t piece = text.len - done;
        if (in_pieces) {
            seed = seed * 1664525 + 1013904223;
            size_t want = (seed >> 16) % (seed & 0x800000 ? 3 : 40); /* also empty ones */
            piece = want < piece ? want : piece;
        }
        bool complete;
        size_t used = json_frame(&f, str_make(text.data + done, piece), &complete);
        CHECK(used <= piece && (complete || used == piece));
        done += used;
        if (complete) {
            CHECK(f.depth == 0 && !f.in_string && !f.escaped && !f.started);
            if (ends->count < ENDS_MAX)
                ends->at[ends->count++] = done;
        }
    }
}

/* A valid object or array with more of them behind it ends where it ends. */
static void check_document(str text)
{
    struct json j;
    json_init(&j, text);
    enum json_type type = json_peek(&j);
    json_skip(&j);
    if (!json_finish(&j, NULL) ||
        (type != JSON_OBJECT && type != JSON_ARRAY && type != JSON_STRING))
        return;
    struct json_framer f = {0};
    bool complete;
    str document = str_trim(text);
    CHECK(json_frame(&f, document, &complete) == document.len && complete);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    static const size_t size_max = 100000;
    str text = str_make((const char *)data + 1, size < size_max ? size - 1 : size_max);
    struct ends whole, pieces;
    frame_all(text, 0, false, &whole);
    frame_all(text, data[0], true, &pieces);
    CHECK(whole.count == pieces.count);
    for (size_t i = 0; i < whole.count; i++)
        CHECK(whole.at[i] == pieces.at[i]);
    check_document(text);
    return 0;
}
