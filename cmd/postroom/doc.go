// Command postroom runs the post room: the whole pipeline in one process on one
// file (postroom dev), or each of its workers as a process of its own, on that
// file or on AWS.
//
// Results go to standard output, everything else to standard error. With --json
// the output is one document; commands that list print one object a line, and a
// list that was cut ends with {"next_cursor":"…"}. The exit code is 0 when
// everything is done, 1 when something failed or is incomplete, 2 for wrong usage,
// 3 when verify found differences that are not repaired or explain that something is
// missing, and 4 to 9 for what status --check found wrong.
//
// Every command has one file: its flags, one value of options, one run. Only main
// deals with signals and ends the process.
package main
