package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"iter"
	"time"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/directory"
	"github.com/postroom/postroom/producer"
)

func (a *app) postFile(ctx context.Context, name string) error {
	start := time.Now()
	s, err := a.importFile(ctx, name, nil)
	if err != nil {
		return err
	}
	err = a.print(s, "%s messages stored, %s were there already, %s refused, in %v\n",
		count(s.Stored), count(s.AlreadyThere), count(s.Refused), time.Since(start).Round(time.Millisecond))
	return errors.Join(err, checkImported(name, s), refused(name, s))
}

// checkImported returns an error if there was nothing to import.
func checkImported(name string, s producer.Summary) error {
	if s.Stored+s.AlreadyThere+s.Refused > 0 {
		return nil
	}
	return fmt.Errorf("%s: nothing was imported: there is no message in it", name)
}

// refused returns an error if lines of an import were refused.
func refused(name string, s producer.Summary) error {
	if s.Refused == 0 {
		return nil
	}
	err := fmt.Errorf("%s: %s lines were refused, the others are in the log", name, count(s.Refused))
	if s.Orphaned > 0 {
		err = fmt.Errorf("%w; %s of them belong to conversations that a refused line would have opened, and nobody sees them before that line is corrected and posted",
			err, count(s.Orphaned))
	}
	return err
}

// importFile posts every message of a file. Refused lines are reported as they are
// read. People, if it is not nil, sees every message.
func (a *app) importFile(ctx context.Context, name string, people *directory.Filler) (producer.Summary, error) {
	in, err := openInput(ctx, name, a.stdin)
	if err != nil {
		return producer.Summary{}, err
	}
	s, err := a.importFrom(ctx, name, in, -1, people)
	return s, errors.Join(err, in.Close())
}

// importFrom is importFile for what is open already. Total is how many messages there
// are, or -1 if that is not known.
func (a *app) importFrom(ctx context.Context, name string, in io.Reader, total int64, people *directory.Filler) (producer.Summary, error) {
	bar := newProgress(a.process, "importing", total)
	defer func() { _ = bar.Finish() }()
	report := newLineReport(a.stderr, name)
	s, err := a.producer(ctx).PostAll(ctx, seenBy(ctx, people, postroom.ReadMessages(in)), producer.BatchOptions{
		Report: func(o producer.Outcome) {
			_ = bar.Add(1)
			if report.wants(o) {
				_ = bar.Clear() // makes room for a line
				report.add(o)
			}
		},
	})
	report.end(s)
	if err != nil {
		return s, fmt.Errorf("%s: %w", name, err)
	}
	return s, nil
}

// seenBy shows messages to a filler, if there is one, as they are read. One from the future
// is refused, and its names are nobody's.
func seenBy(
	ctx context.Context, people *directory.Filler, messages iter.Seq2[postroom.NumberedMessage, error],
) iter.Seq2[postroom.NumberedMessage, error] {
	if people == nil {
		return messages
	}
	return func(yield func(postroom.NumberedMessage, error) bool) {
		for m, err := range messages {
			if err == nil && time.Until(m.CreatedAt) <= postroom.MaxClockSkew {
				err = people.See(ctx, m.Message)
			}
			if !yield(m, err) {
				return
			}
		}
	}
}
