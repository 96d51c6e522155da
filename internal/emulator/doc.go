// Package emulator runs servers for tests that speak the protocols of DynamoDB,
// DynamoDB Streams and SQS, on free ports of the loopback interface and with nothing
// but what the tests put into them. Most tests need one of each, dynoxide and fauxqs;
// the conformance suite runs on every [Server].
//
// They are installed by install.sh in this directory, or `make emulators`.
// If they are not installed, a test that needs them is skipped and says so; with
// POSTROOM_EMULATORS=required in the environment it fails.
//
// A package's tests share one set:
//
//	var emulators emulator.Set
//
//	func TestMain(m *testing.M) { goleak.VerifyTestMain(emulators.Main(m)) }
//
//	func TestSomething(t *testing.T) {
//		emulators.Start(t)
//		b, err := aws.Open(t.Context(), aws.Options{})
//
// They stop with the tests, however these end: each server runs under a shell that
// stops it when the shell's standard input closes.
package emulator
