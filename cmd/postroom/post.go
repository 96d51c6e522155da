package main

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"time"

	"github.com/spf13/cobra"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/internal/strictjson"
	"github.com/postroom/postroom/internal/terminal"
	"github.com/postroom/postroom/producer"
)

// postOptions are the flags of post.
type postOptions struct {
	from, name, handle   string
	to, toName, toHandle string
	group, members       string
	message              string
	createdAt            string
	at                   time.Time // of createdAt
	messageUUID          string
	file                 string
}

func newPost(p process, g *global) *cobra.Command {
	var o postOptions
	cmd := &cobra.Command{
		Use:   "post --from USER (--to USER | --group GROUP | --members FILE) --message TEXT | --file FILE",
		Short: "Append messages to the log",
		Long: `Appends one message and prints what was stored, or many from a file.

Two people (--to) have one conversation, which the pair determines and the first
message opens. For more people, the message that opens the conversation names
them in a file (--members), a JSON list of
{"user_uuid":…,"display_name":…,"handle":…}; later messages need only --group. A
missing display name is taken from the handle and a missing handle from the
display name; without either, both come from the uuid.

A file (--file, "-" for standard input) holds one message in JSON on each line,
and may be compressed with gzip. Invalid lines are reported, the first hundred one
by one, and the other lines are posted. Where an invalid line would have opened a
conversation, the report names it and the line that nobody sees until it is
corrected. Messages of one conversation and time are ordered by their
message_uuid, whatever their order in the file.

Posting a message again, with its --message-uuid and --created-at or from the
same file, changes nothing.`,
		Example: "  postroom post --from " + exampleFrom + " --to " + exampleTo + " --message 'Hello!'\n" +
			"  postroom post --file messages.jsonl.gz",
		Args: arguments(),
		RunE: func(cmd *cobra.Command, _ []string) error {
			if err := o.check(cmd.Flags().Changed); err != nil {
				return err
			}
			return withApp(cmd.Context(), p, g, need{tables: true}, func(ctx context.Context, a *app) error {
				if o.file != "" {
					return a.postFile(ctx, o.file)
				}
				return a.postOne(ctx, o)
			})
		},
	}
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&o.from, "from", "", "sender's uuid")
	f.StringVar(&o.name, "name", "", "sender's display name")
	f.StringVar(&o.handle, "handle", "", "sender's handle")
	f.StringVar(&o.to, "to", "", "the other person's uuid")
	f.StringVar(&o.toName, "to-name", "", "the other person's display name")
	f.StringVar(&o.toHandle, "to-handle", "", "the other person's handle")
	f.StringVar(&o.group, "group", "", "conversation's uuid")
	f.StringVar(&o.members, "members", "", "file that names everybody in the conversation that this message opens")
	f.StringVar(&o.message, "message", "", "text")
	f.StringVar(&o.createdAt, "created-at", "", "time, RFC 3339 (default: now)")
	f.StringVar(&o.messageUUID, "message-uuid", "", "message's uuid (default: a new one)")
	f.StringVar(&o.file, "file", "", "file of messages, JSONL, - for standard input")
	return cmd
}

// check reports flags that are missing, contradict one another, or have invalid
// values. It sets the time.
func (o *postOptions) check(given func(string) bool) error {
	one := []string{
		"from", "name", "handle", "to", "to-name", "to-handle", "group", "members",
		"message", "created-at", "message-uuid",
	}
	if given("file") {
		for _, name := range one {
			if given(name) {
				return usagef("--%s is for one message, --file is for many", name)
			}
		}
		if o.file == "" {
			return usagef("--file is empty")
		}
		return nil
	}
	switch {
	case o.from == "":
		return usagef("--from is missing (or --file, for many messages)")
	case o.to == "" && o.group == "" && o.members == "":
		return usagef("--to, --group or --members is missing")
	case o.to != "" && o.members != "":
		return usagef("--to is for two people, --members for more; give one of them")
	case o.message == "":
		return usagef("--message is missing or empty")
	case o.to == "" && (o.toName != "" || o.toHandle != ""):
		return usagef("--to-name and --to-handle need --to")
	}
	for _, id := range []struct{ flag, value string }{
		{"from", o.from}, {"to", o.to}, {"group", o.group}, {"message-uuid", o.messageUUID},
	} {
		if id.value == "" {
			if given(id.flag) {
				return usagef("--%s is empty", id.flag)
			}
			continue
		}
		if err := postroom.CheckUUID(id.value); err != nil {
			return usagef("--%s: %w", id.flag, err)
		}
	}
	if given("created-at") {
		var err error
		if o.at, err = postroom.ParseAnyTime(o.createdAt); err != nil {
			return usagef("--created-at: %w", err)
		}
	}
	return nil
}

// draft returns the message that the flags describe.
func (o postOptions) draft(ctx context.Context, stdin io.Reader) (producer.Draft, error) {
	d := producer.Draft{
		From:        postroom.Member{UserUUID: o.from, DisplayName: o.name, Handle: o.handle},
		GroupUUID:   o.group,
		Text:        o.message,
		CreatedAt:   o.at,
		MessageUUID: o.messageUUID,
	}
	if o.to != "" {
		d.To = []postroom.Member{{UserUUID: o.to, DisplayName: o.toName, Handle: o.toHandle}}
	}
	if o.members == "" {
		return d, nil
	}
	members, err := readMembers(ctx, o.members, stdin)
	if err != nil {
		return d, err
	}
	sender := false
	for _, m := range members {
		if m.UserUUID != o.from {
			d.To = append(d.To, m)
			continue
		}
		sender = true
		if o.name == "" && o.handle == "" {
			d.From = m
		}
	}
	if !sender {
		return d, fmt.Errorf("%s: the sender %s is not among the members", o.members, o.from)
	}
	return d, nil
}

// maxMembersBytes bounds a file of members, in bytes: a message holds fewer.
const maxMembersBytes = 1 << 20

func readMembers(ctx context.Context, name string, stdin io.Reader) ([]postroom.Member, error) {
	text, err := readInput(ctx, name, stdin, maxMembersBytes)
	if err != nil {
		return nil, err
	}
	text = bytes.TrimPrefix(text, []byte("\ufeff")) // a byte-order mark
	var members []postroom.Member
	if err := strictjson.Decode(text, &members); err != nil {
		return nil, fmt.Errorf("%s is not a JSON list of members: %w", name, err)
	}
	return members, nil
}

func (a *app) postOne(ctx context.Context, o postOptions) error {
	draft, err := o.draft(ctx, a.stdin)
	if err != nil {
		return err
	}
	post := a.producer(ctx)
	m, err := post.Compose(draft)
	if err != nil {
		return err
	}
	result, err := post.Post(ctx, m)
	if err != nil {
		return err
	}
	if result.AlreadyThere {
		fmt.Fprintln(a.stderr, "This message was posted before; nothing changed.")
	}
	return a.print(m, "conversation  %s\nmessage       %s\ntime          %s\nfrom          %s %s %s\ntext          %s\n",
		m.GroupUUID, m.MessageUUID, postroom.FormatTime(m.CreatedAt),
		m.UserUUID, terminal.Line(m.DisplayName, nameWidth), terminal.Line(m.Handle, nameWidth), terminal.Line(m.Text, textWidth))
}
