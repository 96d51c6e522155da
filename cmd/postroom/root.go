package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/postroom/postroom"
)

// Exit codes, a part of the contract. Those of status --check come worst first.
const (
	exitDone        = 0
	exitFailed      = 1
	exitUsage       = 2
	exitDiffers     = 3
	exitLost        = 4
	exitNoWorker    = 5
	exitBehind      = 6
	exitQuarantined = 7
	exitBackfill    = 8
	exitCanary      = 9
)

// process is what a command uses of the process around it.
type process struct {
	stdin          io.Reader
	stdout, stderr io.Writer
	getenv         func(string) string
	terminal       bool   // stderr is a terminal
	interactive    bool   // stdin is one too: a person answers
	screen         bool   // stdout is one
	command        string // how a person starts this program again

	// callTimeout is how long a call to AWS may take. Default: that of aws.Options.
	callTimeout time.Duration
}

// usageError is a wrong flag, argument or setting.
type usageError struct{ err error }

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }

func usagef(format string, args ...any) error {
	return &usageError{fmt.Errorf(format, args...)}
}

// checkUUIDs sorts the values of a flag and drops repetitions. The error names one that is
// not a uuid.
func checkUUIDs(flag string, uuids *[]string) error {
	*uuids = slices.Compact(slices.Sorted(slices.Values(*uuids)))
	for _, uuid := range *uuids {
		if err := postroom.CheckUUID(uuid); err != nil {
			return usagef("--%s: %w", flag, err)
		}
	}
	return nil
}

// findingError is what a command found that did its work, with an exit code of its own.
type findingError struct {
	code int
	text string
}

func (e *findingError) Error() string { return e.text }

// run runs one command line and returns the exit code. When ctx is done it stops
// within two seconds, unless a consumer waits for its handlers to end.
func run(ctx context.Context, args []string, p process) int {
	p.stdout, p.stderr = newSharedWriter(ctx, p.stdout), newSharedWriter(ctx, p.stderr)
	root := newRoot(p)
	root.SetArgs(args)
	cmd, err := root.ExecuteContextC(ctx)
	var usage *usageError
	var finding *findingError
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &usage):
		_ = printText(p.stderr, "postroom: %v\nSee: %s --help\n", err, cmd.CommandPath())
		return exitUsage
	case errors.As(err, &finding):
		_ = printText(p.stderr, "postroom: %v\n", err)
		return finding.code
	case errors.Is(err, context.Canceled) && ctx.Err() != nil:
		fmt.Fprintln(p.stderr, "postroom: interrupted; the same command again goes on from here")
	default:
		_ = printText(p.stderr, "postroom: %v\n", err)
	}
	return exitFailed
}

// global are the flags that every command has.
type global struct {
	backend  string
	data     string
	table    string
	queue    string
	endpoint string
	region   string
	logLevel string
	json     bool

	level     slog.Level        // of logLevel
	variables map[string]string // that set a flag, by the flag
}

// setting is what a person has to correct: a flag, or the variable that set it.
func (g *global) setting(flag string) string {
	return cmp.Or(g.variables[flag], "--"+flag)
}

// The defaults that a printed command line leaves out.
const (
	defaultData  = "postroom.db"
	defaultTable = "postroom"
	defaultQueue = "postroom-notifications.fifo"
)

// addrFlag is the flag for the address of a command's HTTP server. Dev listens on
// defaultAddr, and health asks there.
const (
	addrFlag    = "addr"
	defaultAddr = "127.0.0.1:8080"
)

func newRoot(p process) *cobra.Command {
	var g global
	root := &cobra.Command{
		Use:           "postroom",
		Short:         "Direct messages on DynamoDB, Streams and SQS, or on one file",
		Long:          "Producers post messages. The post room sorts them into every member's\npigeonhole and rings the bell.",
		SilenceErrors: true,
		SilenceUsage:  true,
		// With Args set, an unknown command gets here, and is wrong usage.
		Args: func(cmd *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			hint := ""
			if near := cmd.SuggestionsFor(args[0]); len(near) > 0 {
				hint = fmt.Sprintf(" (did you mean %s?)", strings.Join(near, " or "))
			}
			return usagef("unknown command %q%s", args[0], hint)
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error {
			return errors.Join(g.fromEnvironment(cmd, p.getenv), g.check(cmd.Flags()))
		},
	}
	root.SuggestionsMinimumDistance = 2
	root.SetIn(p.stdin)
	root.SetOut(p.stdout)
	root.SetErr(p.stderr)
	root.SetFlagErrorFunc(func(_ *cobra.Command, err error) error { return &usageError{err} })
	root.CompletionOptions.HiddenDefaultCmd = true
	f := root.PersistentFlags()
	f.SortFlags = false
	f.StringVar(&g.backend, "backend", "local", "where the data is: local or aws")
	f.StringVar(&g.data, "data", defaultData, "file of the local backend")
	f.StringVar(&g.table, "table", defaultTable, "table")
	f.StringVar(&g.queue, "queue", defaultQueue, "queue of notifications; FIFO if it ends in .fifo")
	f.StringVar(&g.endpoint, "endpoint-url", "", "endpoint of the aws backend (default: as AWS's own settings say)")
	f.StringVar(&g.region, "region", "", "region of the aws backend (default: as AWS's own settings say)")
	f.StringVar(&g.logLevel, "log-level", "info", "debug, info, warn or error")
	f.BoolVar(&g.json, "json", false, "print JSON")
	root.AddCommand(
		newDev(p, &g), newProvision(p, &g), newDestroy(p, &g),
		newPost(p, &g), newInbox(p, &g), newMessages(p, &g), newUser(p, &g),
		newProject(p, &g), newConsume(p, &g), newQuarantine(p, &g), newRedrive(p, &g),
		newReplay(p, &g), newStatus(p, &g), newCanary(p, &g), newExplain(p, &g), newRepair(p, &g), newVerify(p, &g), newRebuild(p, &g), newHealth(p, &g),
	)
	return root
}

// fromEnvironment sets the flags that were not given from their variables:
// POSTROOM_ and the flag in capitals with underscores. The global flags have a
// variable, and so does --addr, which an image sets for everything that runs in
// it.
func (g *global) fromEnvironment(cmd *cobra.Command, getenv func(string) string) error {
	var errs []error
	g.variables = map[string]string{}
	global := cmd.Root().PersistentFlags()
	cmd.Flags().VisitAll(func(f *pflag.Flag) {
		if global.Lookup(f.Name) == nil && f.Name != addrFlag {
			return
		}
		name := "POSTROOM_" + strings.ToUpper(strings.ReplaceAll(f.Name, "-", "_"))
		value := getenv(name)
		if f.Changed || value == "" {
			return
		}
		if err := f.Value.Set(value); err != nil {
			errs = append(errs, usagef("%s: %w", name, err))
		}
		g.variables[f.Name] = name
	})
	return errors.Join(errs...)
}

// check reports settings that make no sense, and sets the level. Flags says which ones were given.
func (g *global) check(flags *pflag.FlagSet) error {
	if g.backend != "local" && g.backend != "aws" {
		return usagef("%s is %q, must be local or aws", g.setting("backend"), g.backend)
	}
	other := []string{"endpoint-url", "region"}
	if g.backend == "aws" {
		other = []string{"data"}
	}
	for _, name := range other {
		if flags.Changed(name) {
			return usagef("--%s does nothing with --backend %s", name, g.backend)
		}
	}
	if !slices.Contains([]string{"debug", "info", "warn", "error"}, g.logLevel) {
		return usagef("%s is %q, must be debug, info, warn or error", g.setting("log-level"), g.logLevel)
	}
	if err := checkName(tableNames, g.table); err != nil {
		return usagef("%s: %w", g.setting("table"), err)
	}
	if err := checkName(queueNames, g.queue); err != nil {
		return usagef("%s: %w", g.setting("queue"), err)
	}
	return g.level.UnmarshalText([]byte(g.logLevel))
}

// arguments checks the number of arguments. Names are for its errors.
func arguments(names ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) < len(names):
			return usagef("%s is missing", names[len(args)])
		case len(args) > len(names):
			return usagef("unexpected argument %q", args[len(names)])
		}
		return nil
	}
}
