package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"os"
	"sync"

	"go.opentelemetry.io/otel/trace"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/backend"
	"github.com/postroom/postroom/backend/aws"
	"github.com/postroom/postroom/backend/local"
	"github.com/postroom/postroom/deploy"
	"github.com/postroom/postroom/stream"
)

// app is a running command: the process, its settings, and an open backend.
type app struct {
	process
	*global

	log     *slog.Logger
	tracing trace.TracerProvider // nil: nothing is traced
	backend backend.Backend
	local   *local.Backend // nil on aws
	meter   backend.Meter
	// listener is for health and metrics; nil if they are not wanted. Addr is the
	// address that was asked for.
	listener net.Listener
	addr     string
}

// need is what a command needs of the app.
type need struct {
	// read: the command only reads, so it opens the data file for reading only.
	read bool
	// file: create the data file if it is missing, which is an error otherwise.
	file bool
	// tables: create the file, its tables and queues too. On aws provision does
	// that.
	tables bool
	// daemon: log JSON unless stderr is a terminal.
	daemon bool
	// addr: listen there before anything else happens, unless it is empty.
	addr string
}

// withApp opens the backend, does the work and closes the backend.
func withApp(ctx context.Context, p process, g *global, n need, work func(context.Context, *app) error) error {
	a := &app{process: p, global: g, log: newLog(p, g.level, n.daemon), addr: n.addr}
	if n.addr != "" {
		var err error
		if a.listener, err = listen(ctx, n.addr); err != nil {
			return err
		}
		defer a.listener.Close() // the server has closed it, if it was started
	}
	stop, err := a.startTracing(ctx)
	if err != nil {
		return err
	}
	defer stop()
	if err := a.open(ctx, n); err != nil {
		return err
	}
	err = a.inPlace(ctx, work)
	return errors.Join(a.explain(err), a.backend.Close())
}

// inPlace does the work, and stops it when the local file is no longer in its place.
// Then that is the error: whatever else fails is a consequence of it.
func (a *app) inPlace(ctx context.Context, work func(context.Context, *app) error) error {
	if a.local == nil {
		return work(ctx, a)
	}
	ctx, stop := context.WithCancelCause(ctx)
	var watch sync.WaitGroup
	watch.Go(func() {
		select {
		case <-a.local.Gone():
			stop(a.local.Err())
		case <-ctx.Done():
		}
	})
	err := work(ctx, a)
	stop(nil)
	watch.Wait()
	return cmp.Or(a.local.Err(), err)
}

func newLog(p process, level slog.Level, daemon bool) *slog.Logger {
	opts := &slog.HandlerOptions{Level: level}
	if daemon && !p.terminal {
		return slog.New(slog.NewJSONHandler(jsonLog{p.stderr}, opts))
	}
	return slog.New(slog.NewTextHandler(p.stderr, opts))
}

func (a *app) open(ctx context.Context, n need) error {
	if a.global.backend == "aws" {
		b, err := aws.Open(ctx, aws.Options{Region: a.region, EndpointURL: a.endpoint, CallTimeout: a.callTimeout})
		if err != nil {
			return a.explainOpen(err)
		}
		a.backend = b
		return nil
	}
	if !n.file && !n.tables && missingFile(a.data) {
		if wal := a.data + "-wal"; !missingFile(wal) {
			return fmt.Errorf("there is no data file %s, and %s of an earlier one is there, with what was written last: move the file back beside it", a.data, wal)
		}
		return fmt.Errorf("there is no data file %s: `postroom dev` and `postroom post` make one, --data names another", a.data)
	}
	b, err := local.Open(a.data, local.Options{ReadOnly: n.read})
	if err != nil {
		return err
	}
	a.backend, a.local = b, b
	a.warnOfReaders()
	if !n.tables {
		return nil
	}
	if err := a.provisionLocal(ctx); err != nil {
		return errors.Join(err, b.Close())
	}
	return nil
}

func missingFile(name string) bool {
	_, err := os.Stat(name)
	return errors.Is(err, fs.ErrNotExist)
}

// provisionLocal creates the tables and queues that the file lacks. A table that
// was created without its index stays without it.
func (a *app) provisionLocal(ctx context.Context) error {
	index, err := a.hasIndex(ctx)
	if backend.KindOf(err) == backend.KindNotFound {
		index, err = true, nil
	}
	if err != nil {
		return err
	}
	_, err = deploy.Provision(ctx, a.backend, deploy.Options{Table: a.global.table, Queue: a.queue, Index: index})
	return err
}

func (a *app) hasIndex(ctx context.Context) (bool, error) {
	spec, err := a.backend.DescribeTable(ctx, a.global.table)
	return spec.Index != nil, err
}

// table and control return the two tables, with their calls metered.
func (a *app) table() backend.Table { return a.meter.Table(a.backend.Table(a.global.table)) }

func (a *app) control() backend.Table {
	return a.meter.Table(a.backend.Table(postroom.ControlTable(a.global.table)))
}

// streamStatus reads the status of the projectors' worker group.
func (a *app) streamStatus(ctx context.Context) (stream.Status, error) {
	return stream.ReadStatus(ctx, a.backend.Stream(a.global.table), a.control(), stream.DefaultGroup)
}

// explain adds to an error of the backend what a person can do about it, if the
// backend does not say so itself.
func (a *app) explain(err error) error {
	if _, differs := errors.AsType[*stream.DestinationError](err); differs {
		return usagef("%w\n--queue says where to; docs/operations.md says how to change it", err)
	}
	if backend.KindOf(err) == backend.KindNotFound {
		return fmt.Errorf("%w\nRun `postroom provision` first, or check --table, --queue and the region", err)
	}
	return err
}
