// Every bound that the project enforces, with its unit and its source.

/** bytes; UNIT_NAME_MAX of systemd, src/basic/unit-def.h. */
export const UNIT_NAME_MAX_BYTES = 255;
/** bytes; DESIGN: a unit file must fit with its records into one etcd request of 1.5 MiB. */
export const UNIT_FILE_MAX_BYTES = 256 * 1024;
/** bytes; LONG_LINE_MAX of systemd, src/basic/fileio.h: one line with its continuations. */
export const UNIT_LINE_MAX_BYTES = 1024 * 1024;
/** problems reported of one unit file; the rest is counted. */
export const UNIT_PROBLEMS_MAX = 100;
/** values of one [X-Fleet] key in a unit, and characters of one: patterns are matched against names pair by pair. */
export const FLEET_VALUES_MAX = 128;
export const FLEET_VALUE_MAX_CHARS = 512;
/** operations in one transaction; etcd's default is 128. */
export const TXN_OPERATIONS_MAX = 100;
/** compares in one transaction; etcd's default is 128. */
export const TXN_COMPARES_MAX = 120;
/** bytes in one transaction; etcd's default is 1.5 MiB a request. */
export const TXN_MAX_BYTES = 1024 * 1024;
/** transactions in one request; with the widest of them it stays within TXN_OPERATIONS_MAX. */
export const TXN_GROUP_MAX = 64;
/** keys in one page of a range: larger answers block the event loop. */
export const RANGE_PAGE_KEYS = 1000;
/** machines named in one `pending/` record. */
export const PENDING_MACHINES_MAX = 20;
/** tries of a compare-and-set before it is answered with 503. */
export const CAS_TRIES_MAX = 5;
/** ms; how often a mirror lists again in spite of a healthy watch (etcd issue 18089). */
export const RELIST_INTERVAL_MS = 10 * 60_000;
/** seconds; lease of the `leader` key. */
export const LEADER_TTL_SEC = 5;
/** units from which on a leader's term has a thread of its own: below, its garbage is collected in milliseconds, and a thread costs 30 MB. */
export const TERM_THREAD_UNITS = 20_000;
/** machines whose leases are asked when one has vanished: of more, so many tell how it is with the rest. */
export const PROBED_MACHINES_MAX = 100;
/** ms; what an absent machine left behind is kept so long, so that it stops what was placed elsewhere when it returns; DESIGN §2. */
export const ABSENT_KEPT_MS = 30 * 24 * 60 * 60_000;
/** D-Bus calls in flight; systemd and dbus-daemon refuse more than 128. */
export const DBUS_CALLS_MAX = 64;
/** unfinished systemd jobs younger than JOB_SLOW_MS; about 512 over the bus make systemd drop its connection. */
export const JOBS_MAX = 64;
/** unfinished systemd jobs of any age. */
export const JOBS_TOTAL_MAX = 400;
/** ms after which an unfinished job no longer counts against JOBS_MAX. */
export const JOB_SLOW_MS = 1000;
/** bytes of a request's body: a unit file of UNIT_FILE_MAX_BYTES, written as JSON. */
export const BODY_MAX_BYTES = 1024 * 1024;
/** bytes of a request's line and headers; Node's own default. */
export const HEADER_MAX_BYTES = 16 * 1024;
/** bytes of a page token: a revision and a key. */
export const PAGE_TOKEN_MAX_BYTES = 1024;
/** entries in one page of v2 of the API. */
export const PAGE_ENTRIES_MAX = 1000;
/** bytes that wait for one reader of events before it is cut off. */
export const EVENTS_BUFFER_MAX_BYTES = 4 * 1024 * 1024;
/** readers of events at one fleetd: each is one watch of the store. */
export const EVENTS_READERS_MAX = 256;
/** ms between the comments that keep a silent event stream alive. */
export const EVENTS_HEARTBEAT_MS = 15_000;
/** ms in which a client must have sent its request, and after which a connection without traffic is closed. */
export const CLIENT_TIMEOUT_MS = 60_000;
/** connections of clients at one fleetd. */
export const CONNECTIONS_MAX = 1024;
/** ms that a connection must have been idle before it is closed for a new one. */
export const CONNECTION_IDLE_MIN_MS = 1_000;
/** requests for units that travel in one. */
export const UNIT_REQUESTS_MAX = 64;
/** requests that one API carries out at once: more would wait in the store instead. */
export const REQUESTS_AT_ONCE_MAX = 64;
/** requests that wait for their turn, and ms that one may. */
export const REQUESTS_WAITING_MAX = 1024;
export const REQUEST_WAIT_MAX_MS = 10_000;
/** bytes of all bodies that are being sent or carried out at once, and bytes of one that is not counted there. */
export const BODIES_MAX_BYTES = 64 * 1024 * 1024;
export const BODY_SMALL_BYTES = 64 * 1024;
/** bytes; a metadata key or value set by PATCH. */
export const METADATA_MAX_BYTES = 1024;
/** revisions that the embedded store keeps for watches and old reads; DESIGN §2. */
export const HISTORY_REVISIONS = 10_000;
/** ms that a commit of the embedded store may wait for others to join it; DESIGN §2. */
export const COMMIT_GROUP_MAX_MS = 5;
/** jobs of stopping, beyond the 400 of starting: what hangs in start can still be stopped. */
export const STOP_JOBS_TOTAL_MAX = 100;
/** ms; a D-Bus call without an answer for so long has failed; sd-bus has the same 25 s. */
export const DBUS_CALL_TIMEOUT_MS = 25_000;
/** bytes; D-Bus specification: 2 to the power of 27. */
export const DBUS_MESSAGE_MAX_BYTES = 128 * 1024 * 1024;
/** ms; how long a D-Bus call waits for a connection that is being made again. */
export const DBUS_RECONNECT_WAIT_MS = 5000;
/** names in one ListUnitsByNames call. */
export const STATES_CHUNK_NAMES = 500;
/** unit files written or read at once on one host. */
export const UNIT_DIR_FILES_AT_ONCE = 16;
/** bytes of a cloud-config or Ignition file; clouds hand out far less (EC2: 16 KiB). */
export const PROVISION_MAX_BYTES = 1024 * 1024;
/** bytes of one file that such a file holds, once decoded and unpacked. */
export const PROVISION_CONTENTS_MAX_BYTES = 16 * 1024 * 1024;
/** characters of a host's name; HOST_NAME_MAX of Linux. */
export const HOST_NAME_MAX_CHARS = 64;
