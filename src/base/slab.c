/*
 * Small blocks by size.
 *
 * Life of a block: slab_alloc takes it from the first slab of its class that has room: the last one
 * given back, or the next one never used; slab_free puts it on the free list of its slab, which is
 * found by cutting the block's address down to the alignment of slabs. Life of a slab: mapped when
 * no slab of the class has room; unmapped when its last block comes back, unless it is the only
 * one of the class with room (else a block that comes and goes would map and unmap each time).
 *
 * Invariants: slabs with room are in the list of their class, full ones in none. Those that were
 * full come first, so that the emptiest ones are left alone and run empty. Blocks are used in order
 * of address at first, so that pages of a slab that nobody has needed yet cost nothing.
 *
 * Classes: every 16 bytes up to 1 KiB, then eight for each doubling up to 8 KiB. AddressSanitizer
 * does not know about our blocks; it is told which bytes are in use.
 */
#include "base/slab.h"

#include "base/list.h"

#include <sys/mman.h>

#if defined(__SANITIZE_ADDRESS__)
#define HAS_ASAN 1
#elif defined(__has_feature)
#if __has_feature(address_sanitizer)
#define HAS_ASAN 1
#endif
#endif
#ifdef HAS_ASAN
#include <sanitizer/asan_interface.h>
#else
#define ASAN_POISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#define ASAN_UNPOISON_MEMORY_REGION(at, size) ((void)(at), (void)(size))
#endif

enum {
    SLAB_BYTES = 32 * 1024, /* also its alignment */
    STEP_BYTES = 16,
    FINE_BYTES_MAX = 1024, /* classes every STEP_BYTES up to here */
    FINE_CLASSES = FINE_BYTES_MAX / STEP_BYTES,
    STEPS_A_DOUBLING = 8,
    DOUBLINGS = 3,
    CLASS_COUNT = FINE_CLASSES + STEPS_A_DOUBLING * DOUBLINGS,
    BLOCK_BYTES_MAX = FINE_BYTES_MAX << DOUBLINGS,
};

struct slab {
    struct list link; /* in its class, while it has room */
    uint32_t block_bytes;
    uint16_t used_count, fresh_count; /* blocks in use; blocks that were ever in use */
    uint16_t block_count;
    uint16_t free_block; /* first free one, index + 1; each holds the next one */
    _Alignas(STEP_BYTES) char blocks[];
};

struct slab_set {
    struct list classes[CLASS_COUNT]; /* slabs with room */
    size_t slab_count, block_count, large_bytes;
};

static unsigned class_of(size_t size_bytes)
{
    if (size_bytes <= FINE_BYTES_MAX)
        return size_bytes == 0 ? 0 : (unsigned)((size_bytes - 1) / STEP_BYTES);
    unsigned doubling = 0;
    size_t below = FINE_BYTES_MAX;
    while (size_bytes > 2 * below) {
        below *= 2;
        doubling++;
    }
    size_t step = (size_bytes - below - 1) / (below / STEPS_A_DOUBLING);
    return FINE_CLASSES + doubling * STEPS_A_DOUBLING + (unsigned)step;
}

static uint32_t class_bytes(unsigned class)
{
    if (class < FINE_CLASSES)
        return (class + 1) * STEP_BYTES;
    unsigned coarse = class - FINE_CLASSES;
    uint32_t below = (uint32_t)FINE_BYTES_MAX << coarse / STEPS_A_DOUBLING;
    return below + below / STEPS_A_DOUBLING * (coarse % STEPS_A_DOUBLING + 1);
}

size_t slab_rounded(size_t size_bytes)
{
    return size_bytes > BLOCK_BYTES_MAX ? size_bytes : class_bytes(class_of(size_bytes));
}

struct slab_set *slab_set_new(void)
{
    struct slab_set *set = mem_zalloc(sizeof *set);
    for (unsigned i = 0; i < CLASS_COUNT; i++)
        list_init(&set->classes[i]);
    return set;
}

/* -- slabs -- */

static void *map_pages(size_t size_bytes)
{
    void *at = mmap(NULL, size_bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(at != MAP_FAILED); /* there is no memory, as in mem_alloc */
    return at;
}

static void unmap_pages(void *at, size_t size_bytes)
{
    if (size_bytes > 0)
        CHECK(munmap(at, size_bytes) == 0);
}

/* Mappings follow each other, so that mostly the first try is aligned. */
static void *map_aligned(void)
{
    char *at = map_pages(SLAB_BYTES);
    if ((uintptr_t)at % SLAB_BYTES == 0)
        return at;
    unmap_pages(at, SLAB_BYTES);
    at = map_pages(2 * (size_t)SLAB_BYTES);
    size_t before = (SLAB_BYTES - (uintptr_t)at % SLAB_BYTES) % SLAB_BYTES;
    unmap_pages(at, before);
    unmap_pages(at + before + SLAB_BYTES, SLAB_BYTES - before);
    return at + before;
}

static struct slab *slab_new(struct slab_set *set, unsigned class)
{
    struct slab *slab = map_aligned();
    uint32_t block_bytes = class_bytes(class);
    *slab = (struct slab){.block_bytes = block_bytes,
                          .block_count = (uint16_t)((SLAB_BYTES - sizeof *slab) / block_bytes)};
    list_append(&set->classes[class], &slab->link);
    set->slab_count++;
    ASAN_POISON_MEMORY_REGION(slab->blocks, SLAB_BYTES - sizeof *slab);
    return slab;
}

static void slab_unmap(struct slab_set *set, struct slab *slab)
{
    list_remove(&slab->link);
    set->slab_count--;
    ASAN_UNPOISON_MEMORY_REGION(slab->blocks, SLAB_BYTES - sizeof *slab);
    unmap_pages(slab, SLAB_BYTES);
}

void slab_set_free(struct slab_set *set)
{
    if (set == NULL)
        return;
    CHECK(set->block_count == 0 && set->large_bytes == 0);
    for (unsigned i = 0; i < CLASS_COUNT; i++)
        list_for_each_safe (link, &set->classes[i])
            slab_unmap(set, CONTAINER_OF(link, struct slab, link));
    CHECK(set->slab_count == 0);
    mem_free(set);
}

/* -- blocks -- */

void *slab_alloc(struct slab_set *set, size_t size_bytes)
{
    if (size_bytes > BLOCK_BYTES_MAX) {
        set->large_bytes += size_bytes;
        return mem_alloc(size_bytes);
    }
    unsigned class = class_of(size_bytes);
    struct list *with_room = &set->classes[class];
    struct slab *slab = list_empty(with_room) ? slab_new(set, class)
                                              : CONTAINER_OF(with_room->next, struct slab, link);
    size_t index = slab->fresh_count;
    char *block = slab->blocks + index * slab->block_bytes;
    if (slab->free_block > 0) {
        index = slab->free_block - 1U;
        block = slab->blocks + index * slab->block_bytes;
        ASAN_UNPOISON_MEMORY_REGION(block, sizeof slab->free_block);
        memcpy(&slab->free_block, block, sizeof slab->free_block);
    } else {
        CHECK(slab->fresh_count < slab->block_count);
        slab->fresh_count++;
    }
    ASAN_POISON_MEMORY_REGION(block, slab->block_bytes);
    ASAN_UNPOISON_MEMORY_REGION(block, size_bytes);
    set->block_count++;
    if (++slab->used_count == slab->block_count)
        list_remove(&slab->link);
    return block;
}

void slab_free(struct slab_set *set, void *block, size_t size_bytes)
{
    if (size_bytes > BLOCK_BYTES_MAX) {
        CHECK(set->large_bytes >= size_bytes);
        set->large_bytes -= size_bytes;
        mem_free(block);
        return;
    }
    struct slab *slab = (struct slab *)((uintptr_t)block & ~(uintptr_t)(SLAB_BYTES - 1));
    unsigned class = class_of(size_bytes);
    CHECK(slab->block_bytes == class_bytes(class) && slab->used_count > 0);
    CHECK(set->block_count > 0);
    size_t index = (size_t)((char *)block - slab->blocks) / slab->block_bytes;
    ASAN_UNPOISON_MEMORY_REGION(block, slab->block_bytes);
    memcpy(block, &slab->free_block, sizeof slab->free_block);
    ASAN_POISON_MEMORY_REGION(block, slab->block_bytes);
    slab->free_block = (uint16_t)(index + 1);
    set->block_count--;
    struct list *with_room = &set->classes[class];
    if (slab->used_count-- == slab->block_count)
        list_append(with_room->next, &slab->link); /* to the front */
    bool is_only = with_room->next == &slab->link && with_room->prev == &slab->link;
    if (slab->used_count == 0 && !is_only)
        slab_unmap(set, slab);
}

size_t slab_set_bytes(const struct slab_set *set)
{
    return sizeof *set + set->slab_count * SLAB_BYTES + set->large_bytes;
}
