package postroom_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/postroom/postroom"
)

func TestValidMessages(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		if err := messages().Draw(t, "message").Validate(); err != nil {
			t.Fatal(err)
		}
	})
	opening := messageBy(person(1))
	opening.Members = people(1000)
	if err := opening.Validate(); err != nil {
		t.Errorf("1,000 members: %v", err)
	}
}

func TestP15P20Validate(t *testing.T) {
	t.Parallel()
	type edit func(*postroom.Message)
	longest := strings.Repeat("😀", postroom.MaxNameRunes)
	for name, c := range map[string]struct {
		edit edit
		want string // in the error; empty: valid
	}{
		"as it is":                  {func(*postroom.Message) {}, ""},
		"group missing":             {func(m *postroom.Message) { m.GroupUUID = "" }, "message_group_uuid"},
		"group into an inbox":       {func(m *postroom.Message) { m.GroupUUID = "grp#" + m.GroupUUID }, "message_group_uuid"},
		"message in upper case":     {func(m *postroom.Message) { m.MessageUUID = strings.ToUpper(m.MessageUUID) }, "message_uuid"},
		"sender missing":            {func(m *postroom.Message) { m.UserUUID = "" }, "user_uuid"},
		"name missing":              {func(m *postroom.Message) { m.DisplayName = "" }, "display_name is missing"},
		"handle missing":            {func(m *postroom.Message) { m.Handle = "" }, "handle is missing"},
		"longest name":              {func(m *postroom.Message) { m.DisplayName, m.Handle = longest, longest }, ""},
		"name too long":             {func(m *postroom.Message) { m.DisplayName = longest + "x" }, "65 characters"},
		"handle not UTF-8":          {func(m *postroom.Message) { m.Handle = "a\xff" }, "handle is not valid UTF-8"},
		"no text":                   {func(m *postroom.Message) { m.Text = "" }, ""},
		"text looks empty":          {func(m *postroom.Message) { m.Text = " \n" }, ""},
		"control characters":        {func(m *postroom.Message) { m.Text = "\x00\x07\x7f" }, ""},
		"text not UTF-8":            {func(m *postroom.Message) { m.Text = "a\xc3" }, "message is not valid UTF-8"},
		"time missing":              {func(m *postroom.Message) { m.CreatedAt = time.Time{} }, "created_at is missing"},
		"time that is rounded":      {func(m *postroom.Message) { m.CreatedAt = m.CreatedAt.Add(1) }, ""},
		"time too early":            {func(m *postroom.Message) { m.CreatedAt = time.Time{}.Add(999) }, "created_at is missing"},
		"year 10000":                {func(m *postroom.Message) { m.CreatedAt = m.CreatedAt.AddDate(8000, 0, 0) }, "years 1 to 9999"},
		"two members":               {func(m *postroom.Message) { m.Members = people(2) }, ""},
		"members empty":             {func(m *postroom.Message) { m.Members = []postroom.Member{} }, "needs at least 2 people"},
		"with oneself":              {func(m *postroom.Message) { m.Members = people(1) }, "needs at least 2 people, this one has 1"},
		"with oneself twice":        {func(m *postroom.Message) { m.Members = []postroom.Member{person(1), person(1)} }, "appears twice"},
		"a member twice":            {func(m *postroom.Message) { m.Members = append(people(3), person(2)) }, "members[3]: user " + id(2) + " appears twice"},
		"sender no member":          {func(m *postroom.Message) { m.Members = people(3)[1:] }, "the sender " + id(1) + " is not among them"},
		"member without a name":     {func(m *postroom.Message) { m.Members = people(2); m.Members[1].DisplayName = "" }, "members[1]: display_name is missing"},
		"member's id not canonical": {func(m *postroom.Message) { m.Members = people(2); m.Members[1].UserUUID = "bob" }, "members[1]: user_uuid"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			m := messageBy(person(1))
			c.edit(&m)
			err := m.Validate()
			switch {
			case c.want == "" && err != nil:
				t.Error(err)
			case c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)):
				t.Errorf("error %v, want one with %q", err, c.want)
			}
		})
	}
}
