// Package integration runs Postroom as its users do: the built binary as
// processes, against a server that others wrote, LocalStack in a container. It
// breaks the server, the network and the processes, and expects the same result
// each time: nothing is lost, each member has one inbox entry for each
// conversation, every recipient is notified, and the log has one line when an
// incident begins and one when it ends.
//
//	make integration
//
// The image is localstack/localstack:4.14.0, the last that runs without a
// token. POSTROOM_LOCALSTACK_IMAGE names another one, such as the stand-in that
// `make localstack-standin` builds without a registry (see standin), also with
// LocalStack's own SQS.
//
// POSTROOM_ENDPOINT_URL names a server that already runs, and "aws" is AWS
// itself with the credentials and the region of the environment. Every test uses
// tables and queues of its own and removes them. Tests that break the server or
// the network need a container and are skipped.
//
// The tests run where POSTROOM_INTEGRATION is set. With
// POSTROOM_INTEGRATION=required a test that would be skipped fails.
// POSTROOM_INTEGRATION_MESSAGES names a file of messages for the pipeline to work
// on, JSONL, gzip'ed or not; without it that is the bundled sample.
//
// POSTROOM_PROGRAM names the program under test, where it is built already.
// POSTROOM_PREVIOUS names a commit to roll back to, and POSTROOM_RUN is the value
// of the label postroom.run of every container.
package integration
