// Package stream reads a change stream in the shape of DynamoDB Streams: every
// record at least once, parents before children, with acknowledgements in any
// order and a checkpoint that says only what is durably done.
package stream
