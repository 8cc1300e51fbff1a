/*
 * A unified diff of two texts, line by line.
 *
 * Life of a diff: texts to lines (with their line breaks, so that a missing one at the end is a
 * difference) -> the equal head and tail are set aside -> the shortest list of removed and added
 * lines for what is between, by Myers' greedy walk: for d = 0, 1, 2 ... edits, the furthest point
 * that can be reached on each diagonal; what each d reached is kept, so that the way can be walked
 * back -> hunks with three lines of context.
 *
 * Beyond LIMIT_DIFF_EDITS all old lines of the middle are removed and all new ones added: still a
 * right diff. Specification: E. W. Myers, An O(ND) Difference Algorithm and Its Variations, 1986;
 * the layout of POSIX diff -u.
 */
#include "wire/diff.h"
#include "base/limits.h"

enum { CONTEXT_LINES = 3 };

struct lines {
    str *items;
    size_t count;
};
struct diff {
    struct lines old, new;
    bool *removed, *added; /* by index of line */
};

static struct lines split(str text)
{
    struct lines l = {0};
    for (size_t i = 0; i < text.len; i++)
        l.count += text.data[i] == '\n' || i + 1 == text.len;
    l.items = mem_alloc((l.count + 1) * sizeof *l.items);
    size_t begin = 0, k = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] != '\n' && i + 1 < text.len)
            continue;
        l.items[k++] = str_make(text.data + begin, i + 1 - begin);
        begin = i + 1;
    }
    return l;
}

/* Marks lines on the way back from (x, y); reach[d] holds the furthest x of diagonals -d to d. */
static void walk_back(struct diff *f, int64_t **reach, int64_t d, int64_t x, int64_t y, size_t head)
{
    for (; d > 0; d--) {
        const int64_t *v = reach[d - 1] + d - 1;
        int64_t k = x - y;
        bool down = k == -d || (k != d && v[k - 1] < v[k + 1]);
        int64_t from_k = down ? k + 1 : k - 1;
        int64_t from_x = v[from_k], from_y = from_x - from_k;
        if (down)
            f->added[head + (size_t)from_y] = true;
        else
            f->removed[head + (size_t)from_x] = true;
        x = from_x;
        y = from_y;
    }
}

/* False: more than the limit of edits. */
static bool find_edits(struct diff *f, size_t head, int64_t old_count, int64_t new_count)
{
    int64_t **reach = mem_zalloc((LIMIT_DIFF_EDITS + 1) * sizeof *reach);
    const str *a = f->old.items + head, *b = f->new.items + head;
    bool found = false;
    for (int64_t d = 0; d <= LIMIT_DIFF_EDITS && !found; d++) {
        reach[d] = mem_alloc((size_t)(2 * d + 1) * sizeof **reach);
        int64_t *now = reach[d] + d;
        const int64_t *before = d == 0 ? NULL : reach[d - 1] + d - 1;
        for (int64_t k = -d; k <= d; k += 2) {
            int64_t x = 0;
            if (d > 0)
                x = k == -d || (k != d && before[k - 1] < before[k + 1]) ? before[k + 1]
                                                                         : before[k - 1] + 1;
            int64_t y = x - k;
            while (x < old_count && y < new_count && y >= 0 && str_eq(a[x], b[y])) {
                x++;
                y++;
            }
            now[k] = x;
            if (x >= old_count && y >= new_count) {
                walk_back(f, reach, d, x, y, head);
                found = true;
                break;
            }
        }
    }
    for (size_t d = 0; d <= LIMIT_DIFF_EDITS; d++)
        mem_free(reach[d]);
    mem_free(reach);
    return found;
}

static void compare(struct diff *f)
{
    size_t head = 0, tail = 0;
    size_t least = f->old.count < f->new.count ? f->old.count : f->new.count;
    while (head < least && str_eq(f->old.items[head], f->new.items[head]))
        head++;
    while (tail < least - head &&
           str_eq(f->old.items[f->old.count - 1 - tail], f->new.items[f->new.count - 1 - tail]))
        tail++;
    size_t old_count = f->old.count - head - tail, new_count = f->new.count - head - tail;
    if (find_edits(f, head, (int64_t)old_count, (int64_t)new_count))
        return;
    memset(f->removed + head, 1, old_count);
    memset(f->added + head, 1, new_count);
}

/* ---- printing ---- */

static void print_line(struct buf *out, char mark, str line)
{
    buf_byte(out, mark);
    buf_str(out, line);
    if (!str_ends_with(line, STR("\n")))
        buf_text(out, "\n\\ No newline at end of file\n");
}

static void print_range(struct buf *out, char mark, size_t begin, size_t count)
{
    /* Of nothing, the line before it is named. */
    buf_printf(out, "%c%zu", mark, count == 0 ? begin : begin + 1);
    if (count != 1)
        buf_printf(out, ",%zu", count);
}

/* Position in both texts. */
struct at {
    size_t old, new;
};

static bool is_change(const struct diff *f, struct at at)
{
    return (at.old < f->old.count && f->removed[at.old]) ||
           (at.new < f->new.count && f->added[at.new]);
}

static void print_hunk(struct buf *out, const struct diff *f, struct at begin, struct at end)
{
    buf_text(out, "@@ ");
    print_range(out, '-', begin.old, end.old - begin.old);
    buf_byte(out, ' ');
    print_range(out, '+', begin.new, end.new - begin.new);
    buf_text(out, " @@\n");
    for (struct at at = begin; at.old < end.old || at.new < end.new;) {
        if (at.old < end.old && f->removed[at.old]) {
            print_line(out, '-', f->old.items[at.old++]);
        } else if (at.new < end.new && f->added[at.new]) {
            print_line(out, '+', f->new.items[at.new ++]);
        } else {
            print_line(out, ' ', f->old.items[at.old++]);
            at.new ++;
        }
    }
}

/* The end of the hunk that begins with the change at `at`: context behind the last change that is near. */
static struct at hunk_end(const struct diff *f, struct at at)
{
    size_t equal = 0;
    while (at.old < f->old.count || at.new < f->new.count) {
        if (is_change(f, at)) {
            equal = 0;
            if (at.old < f->old.count && f->removed[at.old])
                at.old++;
            else
                at.new ++;
            continue;
        }
        if (++equal > 2 * CONTEXT_LINES)
            break;
        at.old++;
        at.new ++;
    }
    size_t surplus = equal > CONTEXT_LINES ? equal - CONTEXT_LINES : 0;
    if (equal > 2 * CONTEXT_LINES) /* the last one was not passed */
        surplus = CONTEXT_LINES;
    return (struct at){at.old - surplus, at.new - surplus};
}

static void print(struct buf *out, const struct diff *f, str old_name, str new_name)
{
    bool first = true;
    for (struct at at = {0, 0}; at.old < f->old.count || at.new < f->new.count;) {
        if (!is_change(f, at)) {
            at.old++;
            at.new ++;
            continue;
        }
        if (first)
            buf_printf(out, "--- %.*s\n+++ %.*s\n", STR_ARG(old_name), STR_ARG(new_name));
        first = false;
        size_t above = at.old < CONTEXT_LINES ? at.old : CONTEXT_LINES;
        above = at.new < above ? at.new : above;
        struct at end = hunk_end(f, at);
        print_hunk(out, f, (struct at){at.old - above, at.new - above}, end);
        at = end;
    }
}

void unified_diff(struct buf *out, str old_name, str new_name, str old, str new)
{
    struct diff f = {.old = split(old), .new = split(new)};
    f.removed = mem_zalloc(f.old.count + 1);
    f.added = mem_zalloc(f.new.count + 1);
    compare(&f);
    print(out, &f, old_name, new_name);
    mem_free(f.removed);
    mem_free(f.added);
    mem_free(f.old.items);
    mem_free(f.new.items);
}
