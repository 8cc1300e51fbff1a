/*
 * Every maximum of the program: name, unit in the name, and why. Reaching one is a tested path.
 */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

#define KIB ((size_t)1024)
#define MIB ((size_t)1024 * KIB)

/* -- configuration -- */
#define LIMIT_CONFIG_FILE_BYTES (4 * MIB)      /* a ConfigMap holds at most 1 MiB */
#define LIMIT_CONFIG_DEPTH 64                  /* nesting of YAML; guards the stack of recursive readers */
#define LIMIT_CONFIG_NODES 200000              /* nodes of one document after aliases are followed: "billion laughs" */
#define LIMIT_CONFIG_EXPANSIONS 1000           /* rounds of ${...}; the reference uses the same number */
#define LIMIT_CONFIG_MESSAGES 200              /* errors, and warnings, that are kept and shown: nobody reads more */
#define LIMIT_CONFIG_EXPANDED_BYTES (16 * MIB) /* all texts that ${...} makes and reads in one load: references that double */
#define LIMIT_MIGRATE_SHOWN_BYTES (64 * KIB)   /* the new YAML in one warning, a log line; more is cut: the file shows all */
#define LIMIT_MISSING_LIST_BYTES (256 * KIB)   /* the one error about unknown component types: LIMIT_CONFIG_MESSAGES lines */
#define LIMIT_DIFF_EDITS 2000                  /* changed lines that a diff looks for; it needs memory by the square of this */
#define LIMIT_COMPONENT_NAME_BYTES 1024        /* as in the reference */

/* -- files and processes -- */
#define LIMIT_SMALL_FILE_BYTES (1 * MIB)       /* tokens, certificates, kubeconfig */
#define LIMIT_EXEC_OUTPUT_BYTES (1 * MIB)      /* stdout of a credential plugin */
#define LIMIT_EXEC_TIMEOUT_MS 60000            /* a credential plugin may ask a remote service, not a person */
#define LIMIT_EXEC_EOF_WAIT_MS 1000            /* for the end of stdout after the program ended: a child of it may hold the pipe for ever */

/* -- logs -- */
#define LIMIT_LOG_LINE_BYTES (1 * MIB)         /* one line of the debug exporter at detailed */
#define LIMIT_LOG_BACKLOG_BYTES (4 * MIB)      /* lines that wait for a blocked stderr; more are dropped and counted */

/* -- HTTP -- */
#define LIMIT_HTTP_BODY_BYTES (16 * MIB)       /* a buffered answer; streams have no limit */
#define LIMIT_HTTP_ERROR_BODY_BYTES (64 * KIB) /* what is kept of an error's body */
#define LIMIT_HTTP_HEADER_BYTES (64 * KIB)     /* all headers of one answer */
#define LIMIT_HTTP_LONG_STREAMS 90             /* watches of one curl multi: kube-apiserver allows 100 streams a connection */
#define LIMIT_HTTP_DRAINING_CONNECTIONS 4      /* that take no more requests and wait for the end of their watches; the next one is emptied:
                                                * it is the smallest, with a fifth of all watches at most, which is no burst */
#define LIMIT_HTTP_BUFFER_BYTES (16 * KIB)     /* received at a time; libcurl may handle 100 of them in one go, and a handler has 10 ms */
#define LIMIT_HTTP_JSON_PIECE_BYTES (2 * KIB)  /* the same for JSON that is decoded as it comes, of several transfers in one go */
#define LIMIT_HTTP_PROTOBUF_PIECE_BYTES (8 * KIB) /* the same for protobuf: most objects come in one piece; 1.4 MiB for 180 watches */
#define LIMIT_HTTP_REST_MS 1                   /* from one look at the sockets of lists and watches to the next: a server that sends each
                                                * object by itself is read in one go */
#define LIMIT_HTTP_UPLOAD_BYTES (64 * KIB)     /* sent at a time */
#define LIMIT_HTTP_CONNECT_TIMEOUT_MS 10000    /* name, TCP, proxy and TLS together, unless the configuration says otherwise */
#define LIMIT_HTTP_IDLE_POOL_MS 90000          /* connections without a request are closed after it; as in the reference */
#define LIMIT_HTTP_IDLE_CONNECTIONS 10         /* kept open for later requests of one pool; senders of the reference default to 10 */
#define LIMIT_HTTP_KEEPALIVE_IDLE_S 10         /* then 3 probes, 5 s apart: a silent dead peer is found in 25 s, not in 2 hours */
#define LIMIT_HTTP_KEEPALIVE_INTERVAL_S 5
#define LIMIT_HTTP_KEEPALIVE_PROBES 3
#define LIMIT_HTTP_UNACKED_MS 30000            /* data that the peer's TCP does not acknowledge for so long ends the connection */
#define LIMIT_HTTP_URL_BYTES (16 * KIB)        /* continue tokens are long; servers refuse more */
#define LIMIT_HTTP_ROOTS_BYTES (4 * MIB)       /* the system's file of root certificates, when it must be read whole (about 200 KiB) */

/* -- HTTP server -- */
#define LIMIT_HTTP_SERVER_CONNECTIONS 16       /* of one port at once; more wait: a few scrapers and a person read these pages */
#define LIMIT_HTTP_SERVER_REQUEST_MS 10000     /* from the one before, or the beginning, until it is answered; then the connection ends */
#define LIMIT_HTTP_SERVER_REQUEST_BYTES (16 * KIB) /* memory of one connection: request line and headers */
#define LIMIT_HTTP_SERVER_BODY_BYTES (4 * MIB) /* of a page: 10,000 series of 200 bytes are 2 MiB */
#define LIMIT_OWN_METRICS_RETRY_MS 30000       /* the default address was taken: tried again so often */

/* -- Kubernetes -- */
#define LIMIT_LEASE_BYTES (1 * MIB)            /* a Lease with 256 KiB of annotations (the most), escaped, named again in managedFields */
#define LIMIT_TOKEN_BYTES (64 * KIB)           /* a bearer token; a server refuses longer headers */
#define LIMIT_KUBECONFIG_TEXT_BYTES (16 * MIB) /* what is kept of kubeconfig files: texts repeated by YAML aliases */
#define LIMIT_STATUS_MESSAGE_BYTES 1024        /* what an error keeps of the message of a Status */
#define LIMIT_OBJECT_ENTRIES 4096              /* kept of each list and map of an object (containers, labels ...): counts fit 16 bits */
#define LIMIT_OBJECT_TEXT_BYTES (4 * KIB)      /* kept of a name, uid or container id; the API server allows 253 in a name */
#define LIMIT_OBJECT_SCRATCH_BYTES (64 * KIB)  /* of working memory kept between two objects */
#define LIMIT_WATCH_EVENT_BYTES (16 * MIB)     /* client-go's bound for one event */
#define LIMIT_WATCH_IDLE_MS 90000              /* nothing on a watch for so long: it is dead, for bookmarks come about once a minute */
#define LIMIT_WATCH_FIRST_MS 180000            /* the same before anything has come: a server that is busy, since all clients list after its
                                                * restart, is late with the first bookmark, and another list would keep it busy */
#define LIMIT_LIST_IDLE_MS 60000               /* nothing on a list for so long; the server's own bound for all of one */
#define LIMIT_STREAMING_IDLE_MS 30000          /* nothing of a streaming list for so long: the server does not know what was asked */
#define LIMIT_WATCH_LINGER_MS 15000            /* a store without users is kept for so long: a reload, which may drain, uses it again */
#define LIMIT_LISTS_AT_ONCE 8                  /* pages under way of one client: a server has few seats for lists */
#define LIMIT_SELECTOR_BYTES (8 * KIB)         /* label and field selector of a watch, encoded: URLs end at 16 KiB */
#define LIMIT_DISCOVERY_BYTES (4 * MIB)        /* the list of all API groups, or of the resources of one; usual are some 10 KiB */
#define LIMIT_DISCOVERY_MS 10000               /* then the line about a resource that is not served goes without what is */
#define LIMIT_SWEEP_SLICE_MS 2                 /* of the work after a list, before others have their turn */

/* -- k8s_cluster -- */
#define LIMIT_TICK_BATCH_BYTES (1 * MIB)       /* of a batch on the wire, about: 10,000 pods give some 35, each built within 1 ms */
#define LIMIT_PATTERN_BYTES (64 * KIB)         /* a regular expression of metrics_include and metrics_exclude */
#define LIMIT_PATTERN_STEPS 100000             /* of one search in one value: about 1 ms, then it counts as not found */
#define LIMIT_PATTERN_HEAP_KIB 4096            /* of one search; in KiB */
#define LIMIT_SYNC_SILENCE_MS 60000            /* then the log names the kinds that a receiver still waits for */

/* -- kymastats -- */
#define LIMIT_FAILING_WAIT_MS 10000            /* for the first list of a resource whose requests fail: the others do not wait any longer */
#define LIMIT_ODD_WARNINGS 10                  /* lines of one tick about odd objects; the rest is counted in one more line */

/* -- election -- */
#define LIMIT_LEASE_DURATION_S 86400           /* as configured: a crash stops collection for so long; the API's bound is 2^31 - 1 */
#define LIMIT_IDENTITY_BYTES 512               /* of a holder, as configured: the Lease is written every two seconds */
#define LIMIT_FENCING_NAME_BYTES 255           /* of the attribute or header with the fencing token: each resource or request carries it */
#define LIMIT_HANDOVER_WAIT_S 600              /* as configured: a stop is prolonged by it; Kubernetes waits 30 s unless told otherwise */
#define LIMIT_NOTE_BYTES (4 * KIB)             /* the hand-over note: every watcher of the Lease gets it with each renewal */
#define LIMIT_HOLDER_CONTAINERS 256            /* read of each list of containers of the holder's pod; more than anybody runs */

/* -- telemetry -- */
#define LIMIT_OTLP_REQUEST_BYTES (4 * MIB - 64 * KIB) /* under the 4 MiB that a gRPC server accepts by default */
#define LIMIT_VALUE_DEPTH 128                 /* nesting of maps and slices in a value; guards the stack, deeper ones count as empty */
#define LIMIT_QUEUE_AHEAD_BYTES (2 * MIB)      /* in a sending queue whose backend takes what it gets: more is memory without use */
#define LIMIT_QUEUE_BYTES (64 * MIB)           /* default bound of a sending queue, if the cgroup gives no smaller one */
#define LIMIT_QUEUE_CONSUMERS 256              /* requests under way of one exporter: each may need a file descriptor of 1024 */
#define LIMIT_RETRY_DELAY_MIN_MS 10            /* between two attempts of a request, whatever initial_interval says */

/* -- entity events of k8s_cluster -- */
#define LIMIT_JOURNAL_PERIOD_S 60              /* changes are kept for the next leader, where no Lease says how late it may be */
#define LIMIT_JOURNAL_BYTES (8 * MIB)          /* of these changes: about 10,000 of pods */
#define LIMIT_POSITION_BYTES (2 * KIB)         /* of LIMIT_NOTE_BYTES, which other receivers share */
#define LIMIT_POSITION_AHEAD_S 120             /* a new leader's watch may be behind its predecessor's; a silent one is found after 90 s */
#define LIMIT_ENTITY_BATCH_RECORDS 500         /* of one batch of entity events; some milliseconds of work */
#define LIMIT_ENTITY_BATCH_BYTES (256 * KIB)   /* memory of one batch, but for the object that goes past it */
#define LIMIT_ENTITY_DELAY_MS 50               /* a change waits for others, to share a batch */
#define LIMIT_ENTITY_RETRY_MS 100              /* after a batch was withheld at a closed gate */

/* -- service -- */
#define LIMIT_INTERVAL_MIN_MS 10               /* between two ticks of a receiver: below, ticks would be all the program does */
#define LIMIT_TICK_TIMER_MS 1000               /* a timer for a tick is never set further ahead: the wall clock may step */
#define LIMIT_TICKS_CAUGHT_UP 5                /* overdue ticks emitted after a hand-over in order; more missing ones were an outage */
#define LIMIT_NOTE_AHEAD_MS 5000               /* a note further in the future (and than one interval) has a wrong clock */
#define LIMIT_HANDOVER_LOOK_MS 20              /* at a stop: between two looks whether the next leader is ready */
#define LIMIT_STOP_ACKNOWLEDGE_MS 500          /* at a stop: finish ticks and wait for what is in flight before the Lease goes */
#define LIMIT_STOP_QUIESCE_MS 2500             /* at a stop: extensions let go; an elector needs at most 2 s for its release */
#define LIMIT_STOP_RETRY_MS 500                /* at a stop: longest wait before another attempt, so that the drain has several */
#define LIMIT_STOP_DRAIN_MS 5000               /* at a stop: exporters send what they hold; well inside Kubernetes' 30 s */

/* -- event loop -- */
#define LIMIT_HANDLER_MS 10                    /* a handler that runs longer is logged by name */
#define LIMIT_SLOW_LOG_INTERVAL_MS 10000       /* at most one line about a slow handler's name in so long */
#define LIMIT_SLOW_LOG_NAMES 64                /* handlers counted apart; names are static strings, the program has fewer */

#endif
