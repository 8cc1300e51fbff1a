/* Runs a fuzzer's function over every file of a corpus folder, so that what a fuzzer found once stays a test in every build. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/base.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool replay_file(const char *path)
{
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        perror(path);
        return false;
    }
    static const size_t size_max = 4 << 20;
    uint8_t *data = mem_alloc(size_max);
    size_t size = fread(data, 1, size_max, f);
    fclose(f);
    /* A copy of the exact size, so that the sanitizer sees reads past the end. */
    uint8_t *exact = mem_alloc(size);
    memcpy(exact, data, size);
    mem_free(data);
    LLVMFuzzerTestOneInput(exact, size);
    mem_free(exact);
    return true;
}

int main(int argc, char **argv)
{
    CHECK(argc == 2);
    DIR *dir = opendir(argv[1]);
    if (dir == NULL) {
        perror(argv[1]);
        return 1;
    }
    size_t count = 0;
    bool ok = true;
    for (struct dirent *entry; (entry = readdir(dir)) != NULL;) {
        char path[4096];
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof path, "%s/%s", argv[1], entry->d_name);
        ok = replay_file(path) && ok;
        count++;
    }
    closedir(dir);
    printf("%zu inputs replayed\n", count);
    return ok && count > 0 ? 0 : 1;
}
