package main

import "testing"

// A file of members that would lose something is refused, with line and key.
func TestF5MembersFileLosesNothing(t *testing.T) {
	t.Parallel()
	s := newShell(t)
	two := func(last string) string {
		return "[\n{\"user_uuid\":\"" + ada + "\",\"display_name\":\"Ada\"},\n{\"user_uuid\":\"" + bob + "\"" + last + "}\n]\n"
	}
	for want, text := range map[string]string{
		`line 3: key "1/user_uuid": the key comes twice: keep one of them`:       two(`,"user_uuid":"` + chloe + `"`),
		`line 3: key "1/handle": \ud83d is half of a surrogate pair: write both`: two(`,"handle":"\ud83d"`),
		`line 3: key "1/handel": unknown key, which would be lost`:               two(`,"handel":"bob"`),
		`line 3: key "1/Handle": unknown key, which would be lost`:               two(`,"Handle":"bob"`),
		`line 3: key "1/handle": it is a number, must be a string`:               two(`,"handle":7`),
		`line 5: more than one JSON value: give one`:                             two("") + "[]\n",
		`is not valid UTF-8: convert the text to UTF-8`:                          two(",\"handle\":\"caf\xe9\""),
		`it is an object, must be a list`:                                        "{}",
	} {
		s.failed(want, "post", "--from", ada, "--message", "x", "--members", s.file("members.json", text))
	}
	s.ok("post", "--from", ada, "--message", "x", "--members", s.file("members.json", two("")))
}
