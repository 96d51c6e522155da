// Package deploy creates and removes what Postroom runs on: the table with its stream
// and index, the control table, the queue and its dead-letter queue.
//
// [Provision] may be run again at any time: it creates what is missing, keeps what
// exists, and does nothing at all if something that exists does not fit. It does not
// change existing tables and queues, except to switch on the control table's time to
// live; its error or its warnings say what differs and how to fix it. [Destroy] removes
// everything, in an order in which it can be run again after a failure. [Check] is for
// the start of a daemon.
//
// Everything works on any backend.
package deploy
