// Package aws is the backend on Amazon DynamoDB, DynamoDB Streams and SQS, or on
// any server that speaks their protocols, through the AWS SDK for Go.
//
// Region, credentials and endpoints come from where every AWS tool takes them:
// the environment, the shared configuration files, the machine's role. The
// variables AWS_ENDPOINT_URL and, for one service,
// AWS_ENDPOINT_URL_DYNAMODB, AWS_ENDPOINT_URL_DYNAMODB_STREAMS and
// AWS_ENDPOINT_URL_SQS work unchanged.
//
// # Retries
//
// The SDK's own settings wait for seconds before they try again. Here a call is
// made up to three times within [Options.Timeout], with pauses of tens of
// milliseconds: enough for a lost connection or a moment of throttling. Waiting
// longer is for the caller, who knows what else there is to do. There is no
// quota of retries, which would make a worker fail at once for a while after a
// bad minute.
//
// # Writes whose answer was lost
//
// A repeated Put may meet its own first attempt and fail on its own write. When
// an attempt went before that may have been carried out, and the item under the
// key is now equal to the one that was to be written, the Put has succeeded. A
// Put that failed at its first attempt fails, also where an equal item is there
// already. So two writers of equal items under one condition may both succeed:
// whoever needs to know which of them it was puts its own name into the item,
// as leases and checkpoints do. A transaction is repeated with its token, and a
// batch is without conditions; both come to the same when done twice.
//
// A standard queue may hold a message twice after a lost answer; a FIFO queue
// knows it by its deduplication id.
//
// # Errors
//
// Every error is a [backend.Error] with the kind that its code stands for, and
// says which service was called where, and what can be done about it.
package aws
