/* Every limit of the system, in one place: what it bounds and what happens
 * there. A limit that is not here does not exist. */
#ifndef PROTO_LIMITS_H
#define PROTO_LIMITS_H

/* -- the cluster ---------------------------------------------------------- */
enum {
	/* Members of a cluster. A definition beyond it is refused. */
	LIMIT_NODES = 9,
	/* Bytes of a node, cluster or user name. Refused beyond. */
	LIMIT_NAME_BYTES = 63,
	/* Bytes of an address or URL. Refused beyond. */
	LIMIT_ADDRESS_BYTES = 255,
};

/* -- one log entry -------------------------------------------------------- */
/* Payload of one entry. A larger proposal is refused with ERR_LIMIT. */
#define LIMIT_ENTRY_BYTES ((size_t)4 << 20)

/* -- proposals on one node ------------------------------------------------ */
/* Accepted and not yet decided. Beyond: ERR_BUSY, the caller tries again. */
#define LIMIT_PROPOSALS_BYTES ((size_t)32 << 20)
#define LIMIT_PROPOSALS_COUNT 65536
/* Handed to Raft and not yet committed: the window. Beyond: they wait. */
#define LIMIT_WINDOW_BYTES ((size_t)16 << 20)
#define LIMIT_WINDOW_COUNT 8192
/* One group: entries given to Raft, and so to the disk, at once. */
#define LIMIT_GROUP_BYTES ((size_t)4 << 20)
#define LIMIT_GROUP_COUNT 1024

/* -- Raft's memory -------------------------------------------------------- */
/* Bytes of log tail that Raft keeps in memory before it is told to forget. */
#define LIMIT_RAFT_CACHE_BYTES ((size_t)32 << 20)
/* Entries of tail it keeps behind a snapshot at the least. */
#define LIMIT_RAFT_TRAILING_MIN 64
/* Entries of tail at the most, whatever their size. */
#define LIMIT_RAFT_TRAILING_MAX 8192

/* -- the wire ------------------------------------------------------------- */
/* One frame between nodes, bulk and requests at the door. Longer ones close
 * the connection. Holds one entry of the largest size with room to spare. */
#define LIMIT_FRAME_BYTES ((size_t)8 << 20)
/* Memory that one message may take once it is unpacked. Refused beyond: two
 * bytes on the wire can ask for a struct of a hundred. */
#define LIMIT_UNPACK_BYTES ((size_t)24 << 20)
/* Payload that a sender packs into one frame of Raft messages. */
#define LIMIT_FRAME_FILL_BYTES ((size_t)1 << 20)
/* Queue per peer. Beyond: the frame is dropped, Raft repeats. */
#define LIMIT_PEER_QUEUE_BYTES ((size_t)24 << 20)
/* Bytes of log in flight to a follower that is fed from disk. */
#define LIMIT_FEED_WINDOW_BYTES ((size_t)4 << 20)
/* Messages in one frame, entries in one message: more is a broken peer. */
#define LIMIT_FRAME_MESSAGES 4096
#define LIMIT_MESSAGE_ENTRIES 65536
/* Received frames waiting for the loop. Beyond: dropped, Raft repeats. */
#define LIMIT_INBOX_BYTES ((size_t)64 << 20)
/* One chunk of a state image. */
#define LIMIT_CHUNK_BYTES ((size_t)1 << 20)
/* Connections to a node's two ports. Beyond: the stranger that has said no
 * hello for the longest time goes. */
#define LIMIT_WIRE_CONNECTIONS 64
/* A certificate, key or CA file. Refused beyond. */
#define LIMIT_TLS_FILE_BYTES ((size_t)1 << 20)

/* -- the door (synodctl, synod-bench) ------------------------------------- */
/* Requests a node works on at once; more wait inside nng. */
#define LIMIT_DOOR_REQUESTS 64
/* Clients connected to a door. Beyond: the new one is closed. */
#define LIMIT_DOOR_CLIENTS 256
/* Values in one append request. Refused beyond. */
#define LIMIT_APPEND_VALUES 1024
/* Entries in one answer of `log tail` or `events`. Clamped. */
#define LIMIT_TAIL_ENTRIES 1000
#define LIMIT_TAIL_BYTES ((size_t)2 << 20)

/* -- the store ------------------------------------------------------------ */
/* One group commit of the log writer. The rest waits for the next. */
#define LIMIT_COMMIT_BYTES ((size_t)8 << 20)
#define LIMIT_COMMIT_RECORDS 8192
/* Records deleted per commit while a prefix is forgotten. */
#define LIMIT_FORGET_RECORDS 4096
/* Applied in one transaction of the state machine. */
#define LIMIT_APPLY_RECORDS 16384
#define LIMIT_APPLY_BYTES ((size_t)16 << 20)
/* Committed and not yet durable in the state. Beyond: proposals are refused
 * with ERR_BUSY until the state has caught up. */
#define LIMIT_APPLY_LAG_BYTES ((size_t)64 << 20)
#define LIMIT_APPLY_LAG_RECORDS 200000
/* Fill of the log's quota at which proposals are refused, in percent; what is
 * left is for elections, membership and the way down. */
#define LIMIT_LOG_FULL_PERCENT 90
/* Key of the state's kv. */
#define LIMIT_KEY_BYTES 511

/* -- the node file -------------------------------------------------------- */
#define LIMIT_CONFIG_BYTES ((size_t)1 << 20)
/* Nesting of a YAML document, problems shown at once. */
#define LIMIT_CONFIG_DEPTH 32
#define LIMIT_CONFIG_PROBLEMS 100

/* -- definitions ----------------------------------------------------------- */
enum {
	/* Refused beyond, when a definition is planned. */
	LIMIT_CONNECTIONS = 63,
	LIMIT_SYNCS = 256,
	LIMIT_TASKS = 1024,
	LIMIT_TABLES = 4096, /* of all syncs */
	LIMIT_FIELDS = 1024, /* of a table */
	LIMIT_COMPARISONS = 16,
	/* Revisions kept; the oldest go first. */
	LIMIT_REVISIONS = 100,
	/* Author and message of a revision. Refused beyond. */
	LIMIT_MESSAGE_BYTES = 1024,
	/* A resolved secret. Refused beyond. */
	LIMIT_SECRET_BYTES = 4096,
};
/* A packed definition, and its text. Refused beyond. */
#define LIMIT_DEFINITION_BYTES ((size_t)1 << 20)

/* -- tasks ----------------------------------------------------------------- */
/* Changes of one batch: capture closes it here, at the end of a transaction; a
 * larger one is cut into parts. */
#define LIMIT_BATCH_BYTES ((size_t)256 << 10)
/* Batches of one capture that are under way. Beyond: it waits. */
#define LIMIT_CAPTURE_WINDOW_BYTES ((size_t)4 << 20)
enum {
	LIMIT_CAPTURE_WINDOW_COUNT = 32,
	/* One target transaction. Beyond: the next one. A single source
	 * transaction that is larger is one all the same, up to
	 * LIMIT_TRANSACTION_BYTES. */
	LIMIT_APPLY_GROUP_ROWS = 2000,
	/* Between two hints of how far an apply task is. */
	LIMIT_CHECKPOINT_MS = 1000,
	/* Without a leader for so long: the node stops its tasks. */
	LIMIT_LEASE_MS = 1500,
	/* A connection that broke and did not come back: the node counts as
	 * lost. Silence of a node that is connected. */
	LIMIT_LOST_MS = 60,
	LIMIT_SILENT_MS = 2000,
	/* A stop that waits for a task's worker. Beyond: it is left alone. */
	LIMIT_TASK_STOP_MS = 5000,
};
#define LIMIT_APPLY_GROUP_BYTES ((size_t)4 << 20)
/* A source transaction that an apply task holds in memory, all its parts.
 * Beyond: the task blocks and says so. */
#define LIMIT_TRANSACTION_BYTES ((size_t)256 << 20)
/* Proposals of a node's tasks that wait for a leader or for room. Beyond: the
 * task waits. */
#define LIMIT_TASK_QUEUE_BYTES ((size_t)64 << 20)
/* Outcomes that apply tasks get from memory; older ones from the state. */
#define LIMIT_OUTCOME_WINDOW_BYTES ((size_t)16 << 20)

/* -- the ledger ------------------------------------------------------------ */
enum {
	/* Decided conflicts and discarded letters kept; open ones always. */
	LIMIT_CONFLICTS = 100000,
	/* Chains: beyond it the apply task blocks instead of parking more. */
	LIMIT_LETTERS = 100000,
	/* Deliveries of one row to one connection that are known by number. */
	LIMIT_ROW_DELIVERIES = 32,
};

/* -- the HTTP door --------------------------------------------------------- */
enum {
	LIMIT_HTTP_CONNECTIONS = 64,
	LIMIT_HTTP_TIMEOUT_S = 10,
};

/* -- waits (every wait has a deadline) ------------------------------------ */
enum {
	LIMIT_ELECTION_MS_MIN = 50,
	LIMIT_ELECTION_MS_MAX = 60000,
	/* Fate of a proposal: beyond it the answer is "unknown". */
	LIMIT_PROPOSAL_MS = 10000,
	/* A connection that has not said hello. */
	LIMIT_HELLO_MS = 5000,
	/* A connection that takes no frame, a client that takes no answer:
	 * closed. */
	LIMIT_SEND_MS = 10000,
	/* An attempt to connect to a peer. Beyond: given up, tried anew. */
	LIMIT_DIAL_MS = 5000,
	/* Nothing sent to a peer: the hello is said again. */
	LIMIT_PROBE_MS = 1000,
	/* Not heard of a peer: its process may be dead (another boot of it may
	 * take its place), and then its connection is closed. */
	LIMIT_ALIVE_MS = 3000,
	LIMIT_SILENCE_MS = 10000,
	/* Two processes speak as one node: time for the older to be gone. */
	LIMIT_CLONE_MS = 300,
	LIMIT_RECONNECT_MS_MIN = 10,
	LIMIT_RECONNECT_MS_MAX = 500,
	/* Nothing confirmed by a follower that is fed from disk: asked again.
	 */
	LIMIT_FEED_SILENCE_MS = 500,
	/* No chunk of an image: asked again; beyond the second, given up until
	 * it is offered again. */
	LIMIT_IMAGE_SILENCE_MS = 1000,
	LIMIT_IMAGE_GIVE_UP_MS = 15000,
	/* Hand-over of leadership at a stop. */
	LIMIT_HANDOVER_MS = 2000,
	/* Closing sockets and threads at a stop, then the process just ends. */
	LIMIT_STOP_MS = 10000,
	/* A read transaction of the log that is older is counted and logged. */
	LIMIT_READER_MS = 1000,
};

/* -- events --------------------------------------------------------------- */
/* Kept in the replicated event log; the oldest go first. */
#define LIMIT_EVENTS 1000
#define LIMIT_EVENT_BYTES 1024

#endif
