/*
 * The canonical form of a state. Candidates are alike, so they are sorted; and the versions of a Lease that anybody still knows are
 * renumbered from 1 without holes, oldest first: only their order and equality mean anything. The server's record has the highest.
 *
 * In C, for speed; nothing is decided here. (`--replay` shows candidates under changing numbers, therefore.)
 */
c_code {
    \#define RANK_MAX 64
    static unsigned char rank_of[RANK_MAX];

    static void rank_use(int version)
    {
        if (version >= RANK_MAX) {
            printf("more versions than RANK_MAX\n");
            exit(3);
        }
        rank_of[version] = 1;
    }

    static int rank_record(int record)
    {
        return record % 32 + rank_of[record / 32] * 32;
    }

    static void rank_lease(int lease)
    {
        memset(rank_of, 0, sizeof rank_of);
        rank_use(now.rec[lease] / 32);
        for (int i = lease; i < N * L; i += L) {
            rank_use(now.m[i].known / 32);
            rank_use(now.m[i].expected);
            rank_use(now.m[i].answer / 32);
            rank_use(now.m[i].event0 / 32);
            rank_use(now.m[i].event1 / 32);
            rank_use(now.m[i].stray_expected);
            rank_use(now.m[i].proof);
            rank_use(now.m[i].unanswered_expected);
        }
#if L == 2
        if (lease == MAIN) {
            rank_use(now.rec_reference);
            for (int i = STANDBY; i < N * L; i += L) {
                rank_use(now.m[i].reference);
                rank_use(now.m[i].reference0);
                rank_use(now.m[i].reference1);
                rank_use(now.m[i].answer_reference);
                rank_use(now.m[i].sent_reference);
                rank_use(now.m[i].stray_reference);
                rank_use(now.proof_reference[i / L]);
            }
        }
#endif
        rank_of[0] = 0;
        for (int version = 1, rank = 0; version < RANK_MAX; version++)
            if (rank_of[version])
                rank_of[version] = ++rank;
    }

    static void renumber_lease(int lease)
    {
        now.rec[lease] = rank_record(now.rec[lease]);
        for (int i = lease; i < N * L; i += L) {
            now.m[i].known = rank_record(now.m[i].known);
            now.m[i].expected = rank_of[now.m[i].expected];
            now.m[i].answer = rank_record(now.m[i].answer);
            now.m[i].event0 = rank_record(now.m[i].event0);
            now.m[i].event1 = rank_record(now.m[i].event1);
            now.m[i].stray_expected = rank_of[now.m[i].stray_expected];
            now.m[i].proof = rank_of[now.m[i].proof];
            now.m[i].unanswered_expected = rank_of[now.m[i].unanswered_expected];
        }
#if L == 2
        if (lease == MAIN) {
            now.rec_reference = rank_of[now.rec_reference];
            for (int i = STANDBY; i < N * L; i += L) {
                now.m[i].reference = rank_of[now.m[i].reference];
                now.m[i].reference0 = rank_of[now.m[i].reference0];
                now.m[i].reference1 = rank_of[now.m[i].reference1];
                now.m[i].answer_reference = rank_of[now.m[i].answer_reference];
                now.m[i].sent_reference = rank_of[now.m[i].sent_reference];
                now.m[i].stray_reference = rank_of[now.m[i].stray_reference];
                now.proof_reference[i / L] = rank_of[now.proof_reference[i / L]];
            }
        }
#endif
    }

    /* Candidate `c` with all that is its own, to be compared and exchanged. */
    struct candidate_image {
        struct machine m[L];
        unsigned char up, paused;
#if L == 2
        unsigned char trouble, giving_up, saw_others, proof_reference, proof_in;
#endif
    };

    static void image_get(struct candidate_image *image, int c)
    {
        memset(image, 0, sizeof *image);
        memcpy(image->m, &now.m[c * L], sizeof image->m);
        image->up = now.up[c];
        image->paused = now.paused[c];
#if L == 2
        image->trouble = now.trouble[c];
        image->giving_up = now.giving_up[c];
        image->saw_others = now.saw_others[c];
        image->proof_reference = now.proof_reference[c];
        image->proof_in = now.proof_in[c];
#endif
    }

    static void image_put(const struct candidate_image *image, int c)
    {
        memcpy(&now.m[c * L], image->m, sizeof image->m);
        now.up[c] = image->up;
        now.paused[c] = image->paused;
#if L == 2
        now.trouble[c] = image->trouble;
        now.giving_up[c] = image->giving_up;
        now.saw_others[c] = image->saw_others;
        now.proof_reference[c] = image->proof_reference;
        now.proof_in[c] = image->proof_in;
#endif
    }

    static int renamed(int record, int a, int b)
    {
        int holder = record / 4 % 8;
        int other = holder == a + 1 ? b + 1 : holder == b + 1 ? a + 1 : holder;
        return record + (other - holder) * 4;
    }

    static void exchange(int a, int b)
    {
        struct candidate_image first, second;
        image_get(&first, a);
        image_get(&second, b);
        image_put(&first, b);
        image_put(&second, a);
        for (int lease = 0; lease < L; lease++)
            now.rec[lease] = renamed(now.rec[lease], a, b);
        for (int i = 0; i < N * L; i++) {
            now.m[i].known = renamed(now.m[i].known, a, b);
            now.m[i].answer = renamed(now.m[i].answer, a, b);
            now.m[i].event0 = renamed(now.m[i].event0, a, b);
            now.m[i].event1 = renamed(now.m[i].event1, a, b);
        }
        now.denied = now.denied == a ? b : now.denied == b ? a : now.denied;
    }

    /* Does exchanging them make the state smaller? Names of holders are part of what is compared, so try it. */
    static int is_smaller_exchanged(int a, int b)
    {
        struct candidate_image before, after;
        image_get(&before, a);
        exchange(a, b);
        image_get(&after, a);
        exchange(a, b);
        return memcmp(&after, &before, sizeof after) < 0;
    }

    static void sort_candidates(void)
    {
        if (now.to_start > 0)
            return;
        for (int round = 0; round < N; round++)
            for (int c = 0; c + 1 < N; c++)
                if (is_smaller_exchanged(c, c + 1))
                    exchange(c, c + 1);
    }

    static void renumber(void)
    {
        for (int lease = 0; lease < L; lease++) {
            rank_lease(lease);
            renumber_lease(lease);
        }
    }
}

#define make_ranks() c_code { renumber(); }
/* Last in a step: the numbers of candidates change. */
#define make_canonical() c_code { renumber(); sort_candidates(); }
