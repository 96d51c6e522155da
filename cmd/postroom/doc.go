// Command postroom runs the post room: the whole pipeline in one process on
// one file (postroom dev), or each of its workers on its own, on that file or
// on AWS.
//
// Results go to standard output, everything else to standard error. With --json
// the output is one document, or one object a line where it lists; a list that
// was cut ends with {"next_cursor":"…"}. The exit code is 0 when all is done, 1
// when something failed or is incomplete, 2 for wrong usage, and 3 when verify
// found differences.
//
// Every command is one file: its flags, one value of options, one run. Only
// main knows of signals and of the process's exit.
package main
