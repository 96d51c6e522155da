//go:build !unix

package main

const childArgs = "POSTROOM_TEST_ARGS"

func runChild([]string) int { panic("tests run no child here") }
