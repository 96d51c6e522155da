// Package aws is the backend on Amazon DynamoDB, DynamoDB Streams and SQS, or on any
// server that speaks their protocols, through the AWS SDK for Go.
//
// Region, credentials and endpoints come from the usual places: the environment, the
// shared configuration files, the machine's role. The variables AWS_ENDPOINT_URL
// and, for one service, AWS_ENDPOINT_URL_DYNAMODB, AWS_ENDPOINT_URL_DYNAMODB_STREAMS
// and AWS_ENDPOINT_URL_SQS work as for other AWS tools.
//
// # Retries
//
// By default the SDK waits for seconds before it retries. This package makes a call
// up to three times within five seconds, with pauses of tens of milliseconds:
// enough for a lost connection or a moment of throttling. Longer waits are left to
// the caller, which knows what else there is to do. There is no quota of retries: it
// would make a worker's calls fail at once for a while after a bad minute.
//
// # Writes whose answer was lost
//
// The condition of a retried Put may fail because of the Put's own first attempt. If
// an earlier attempt may have been carried out, and the item under the key equals
// the one to be written, the Put has succeeded. A Put whose first attempt fails has
// failed, even if an equal item exists already. So two writers of equal items under
// one condition may both succeed: a writer that needs to know whether the item is
// its own puts its name into the item, as leases and checkpoints do. A transaction
// is retried with its token, and a batch has no conditions; repeating either changes
// nothing.
//
// After a lost answer a standard queue may hold a message twice; a FIFO queue
// recognises it by its deduplication id.
//
// # Errors
//
// Every error is a [backend.Error] of the kind that its code stands for. Its text
// names the service and the place that was called, and says what an operator can do.
package aws
