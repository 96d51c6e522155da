// Package canary posts a message every so often, as a producer does, and measures how long
// it takes until the message is visible in its recipient's inbox and until a consumer has
// handled the notification. So it notices what no part of the pipeline can say of itself:
// that messages do not arrive.
//
// # One canary
//
//	look ──► post ──► visible?  ──► arrived
//	              └─► delivered? ─┘
//
// Before it posts it reads the inbox. Its message is the newest of the conversation: of
// the clock's time, or a microsecond after the last one where that is later, since another
// machine's clock is ahead or this one was set back. So the message is visible as soon as
// the inbox shows its time or a later one. It is delivered once the consumers remember its
// notification as handled. Both are asked for, with pauses that grow with the time that
// has passed, from 5 ms to a second, until they are true or the time is up. The stage at
// which it fails is the first that it did not reach.
//
// Times are measured by the monotonic clock of this process: no clock that is set changes
// them, and the clocks of others do not matter. They are exact to the pause, a quarter.
//
// # A conversation of its own
//
// The conversation of a name is everybody's who uses that name; see
// [postroom.CanaryGroup]. Its two members are nobody. The message that opens it is the same
// for all, of the year 1970, and each canary posts it before its own, which changes nothing
// where it is there; so it comes back when the table was replaced. Several processes with
// one name do not disturb each other: each looks for its own message's time and
// notification. Where two post at once and their clocks disagree, the one that is behind
// may count as visible with the other.
//
// The log is append-only for everybody else's messages. Of its own, a canary that has
// become visible removes those that are more than a day older, up to ten, and never the one
// that opens the conversation. They are behind the head, in no row, and the stream has
// dropped their records; projectors expect their removal, by the conversation.
//
// # What is remembered
//
// Each process keeps one item in the control table, CANARY, with how its last canary went
// and since when it fails. Nobody else writes it, and nothing depends on it but what
// [ReadStates] shows. It is removed when the process is stopped, and expires a day after it
// was killed.
package canary
