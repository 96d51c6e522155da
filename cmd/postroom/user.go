package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/postroom/postroom"
	"github.com/postroom/postroom/directory"
	"github.com/postroom/postroom/internal/terminal"
)

func newUser(p process, g *global) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "user",
		Short: "Add, list, show or rename the users of the directory",
		Long: `The directory says what users are called: a display name, and a handle that nobody
else has. Messages carry names of their own, those of the time of sending, and are not
changed by it.`,
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return nil
			}
			return usagef("unknown command %q, must be add, list, show or rename", args[0])
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newUserAdd(p, g), newUserList(p, g), newUserShow(p, g), newUserRename(p, g))
	return cmd
}

// nameFlags adds the flags of what a user is called.
func nameFlags(cmd *cobra.Command, n *directory.Names, handle string) {
	f := cmd.Flags()
	f.SortFlags = false
	f.StringVar(&n.DisplayName, "name", "", "display name")
	f.StringVar(&n.Handle, "handle", "", handle)
}

// checkNames reports names that cannot be, by their flags.
func checkNames(n directory.Names, given func(string) bool) error {
	if !given("name") && !given("handle") {
		return usagef("--name or --handle is missing")
	}
	if given("name") {
		if err := directory.CheckDisplayName(n.DisplayName); err != nil {
			return usagef("--name: %w", err)
		}
	}
	if given("handle") {
		if err := directory.CheckHandle(n.Handle); err != nil {
			return usagef("--handle: %w", err)
		}
	}
	return nil
}

func newUserAdd(p process, g *global) *cobra.Command {
	var n directory.Names
	cmd := &cobra.Command{
		Use:   "add USER [--name NAME] [--handle HANDLE]",
		Short: "Make the profile of a user",
		Long: `Makes the profile of a USER: a uuid, or a DID. The uuid of a user whom another system
knows by a DID follows from that, and the profile remembers it. Without a --name the
display name is the handle. A user who is there already and is called the same stays,
one who is called otherwise is an error: rename changes that. A damaged profile is
replaced.`,
		Example: "  postroom user add " + exampleFrom + " --name 'Ada Lovelace' --handle ada",
		Args:    arguments("USER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkNames(n, cmd.Flags().Changed); err != nil {
				return err
			}
			profile := directory.Profile{DisplayName: cmp.Or(n.DisplayName, strings.TrimPrefix(n.Handle, "@")), Handle: n.Handle}
			var err error
			if profile.UserUUID, profile.ForeignDID, err = parseUser(args[0]); err != nil {
				return usagef("USER: %w", err)
			}
			return withApp(cmd.Context(), p, g, need{tables: true}, func(ctx context.Context, a *app) error {
				return a.addUser(ctx, profile)
			})
		},
	}
	nameFlags(cmd, &n, "handle, with or without an @; none without it")
	return cmd
}

// parseUser returns the uuid of a user who is given by it or by a DID, and the DID if that
// is foreign.
func parseUser(s string) (userUUID, foreignDID string, err error) {
	if !strings.HasPrefix(s, "did:") {
		return s, "", postroom.CheckUUID(s)
	}
	userUUID, err = directory.ParseDID(s)
	if s != directory.UserDID(userUUID) {
		foreignDID = s
	}
	return userUUID, foreignDID, err
}

func (a *app) addUser(ctx context.Context, profile directory.Profile) error {
	d := directory.New(a.table())
	added, err := d.Add(ctx, profile)
	damage, damaged := errors.AsType[*directory.DamageError](err)
	if damaged && damage.Key.PK == "usr#"+profile.UserUUID {
		_ = printText(a.stderr, "%v: it is replaced\n", damage)
		added, err = d.Put(ctx, profile)
	}
	if err != nil {
		return a.explainUser(err)
	}
	return a.printUser(added)
}

// explainUser adds to an error of the directory what a person can do about it.
func (a *app) explainUser(err error) error {
	switch {
	case errors.Is(err, directory.ErrInvalid):
		return &usageError{err}
	case errors.Is(err, directory.ErrExists):
		return fmt.Errorf("%w: see `postroom user show`, and `postroom user rename` changes it", err)
	case errors.Is(err, directory.ErrTaken):
		return fmt.Errorf("%w: choose another one, or rename that user first", err)
	}
	if damage, ok := errors.AsType[*directory.DamageError](err); ok {
		return fmt.Errorf("%w; `postroom user add` with the names of the user whose it is writes it anew", damage)
	}
	return err
}

// profileJSON is a user of the directory.
type profileJSON struct {
	UserUUID    string `json:"user_uuid"`
	DisplayName string `json:"display_name"`
	Handle      string `json:"handle"` // without an @; empty: none
	DID         string `json:"did"`
	CreatedAt   string `json:"created_at"`
	UpdatedAt   string `json:"updated_at"`
}

func newProfileJSON(p directory.Profile) profileJSON {
	return profileJSON{p.UserUUID, p.DisplayName, p.Handle, p.DID(), postroom.FormatTime(p.CreatedAt), postroom.FormatTime(p.UpdatedAt)}
}

func (a *app) printUser(p directory.Profile) error {
	j := newProfileJSON(p)
	return a.print(j, "user     %s\nname     %s\nhandle   %s\ndid      %s\ncreated  %s\nupdated  %s\n",
		j.UserUUID, terminal.Line(j.DisplayName, textWidth), atHandle(j.Handle), j.DID, j.CreatedAt, j.UpdatedAt)
}

// atHandle is a handle as people read it.
func atHandle(handle string) string {
	if handle == "" {
		return "-"
	}
	return terminal.Line("@"+handle, textWidth)
}

func newUserRename(p process, g *global) *cobra.Command {
	var n directory.Names
	cmd := &cobra.Command{
		Use:   "rename USER [--name NAME] [--handle HANDLE]",
		Short: "Change what a user is called",
		Long: `Changes the display name or the handle of a USER: a uuid, a DID, or a handle. What is
not given stays. The handle that the user had is free with the same write.`,
		Args: arguments("USER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if err := checkNames(n, cmd.Flags().Changed); err != nil {
				return err
			}
			return withUser(cmd.Context(), p, g, need{}, args[0], func(ctx context.Context, a *app, user string) error {
				renamed, err := directory.New(a.table()).Rename(ctx, user, n)
				if err != nil {
					return a.explainUser(err)
				}
				return a.printUser(renamed)
			})
		},
	}
	nameFlags(cmd, &n, "handle, with or without an @")
	return cmd
}

func newUserShow(p process, g *global) *cobra.Command {
	return &cobra.Command{
		Use:   "show USER",
		Short: "Show a user",
		Long:  "Shows the profile of a USER: a uuid, a DID, or a handle, with or without an @.",
		Args:  arguments("USER"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return withUser(cmd.Context(), p, g, need{read: true}, args[0], func(ctx context.Context, a *app, user string) error {
				found, err := directory.New(a.table()).Get(ctx, user)
				if err != nil {
					return a.explainUser(err)
				}
				one, ok := found[user]
				if !ok {
					return fmt.Errorf("user %s: %w", user, directory.ErrNotFound)
				}
				return a.printUser(one)
			})
		},
	}
}

// withUser is withApp for a command about one user, who is given by a uuid, a DID or a
// handle.
func withUser(ctx context.Context, p process, g *global, n need, text string, work func(context.Context, *app, string) error) error {
	user, _, err := parseUser(text)
	byHandle := err != nil && !strings.HasPrefix(text, "did:")
	if byHandle {
		err = directory.CheckHandle(text)
	}
	if err != nil {
		return usagef("USER: %w", err)
	}
	return withApp(ctx, p, g, n, func(ctx context.Context, a *app) error {
		if byHandle {
			found, err := directory.New(a.table()).ByHandle(ctx, text)
			if err != nil {
				return a.explainUser(err)
			}
			user = found.UserUUID
		}
		return work(ctx, a, user)
	})
}
