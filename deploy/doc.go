// Package deploy makes and removes what Postroom stands on: the table with its
// stream and index, the control table, the queue and its dead-letter queue.
//
// [Provision] may be run again at any time: it makes what is missing, leaves
// what is there, and touches nothing at all where something that is there does
// not fit. It changes no existing table or queue; what differs and how to mend
// it is for the error, or for the report's warnings, to say. [Destroy] removes
// everything, in an order that can be taken up again. [Check] is what a daemon
// asks at its start.
//
// Everything works on any backend.
package deploy
