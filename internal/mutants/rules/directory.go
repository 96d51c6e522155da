package rules

// directory is the rules of profiles and handles.
var directory = []Rule{
	{
		Name:  "a profile is written if nobody else has changed it",
		File:  "directory/write.go",
		Old:   "{{Put: next.encode(), Condition: unchanged(was.item)}}",
		New:   "{{Put: next.encode()}}",
		Tests: "TestHandlesAreUnique",
	},
	{
		Name:  "a handle is taken if nobody else has taken it",
		File:  "directory/write.go",
		Old:   "next.UserUUID}.encode(), Condition: unchanged(o.item)}",
		New:   "next.UserUUID}.encode()}",
		Tests: "TestHandlesAreUnique",
	},
	{
		Name:  "a handle that a profile names is not free",
		File:  "directory/write.go",
		Old:   "other.damage != nil || other.folded == next.folded {",
		New:   "other.damage != nil {",
		Tests: "TestHandlesAreUnique|TestRename",
	},
	{
		Name:  "another handle frees the old one",
		File:  "directory/write.go",
		Old:   "if was.folded != \"\" && was.folded != next.folded {",
		New:   "if was.folded != \"\" && was.folded != next.folded && next.folded == \"\" {",
		Tests: "TestHandlesAreUnique|TestRename",
	},
	{
		Name:  "a handle that is left over is taken if its user does not take it back",
		File:  "directory/write.go",
		Old:   "{put, {Check: keyOf(o.user), Condition: unchanged(other.item)}}",
		New:   "{put}",
		Tests: "TestLeftOverHandleComesBack",
	},
	{
		Name:  "a damaged handle is its user's to write anew",
		File:  "directory/write.go",
		Old:   "case o.damage != nil && was.folded != next.folded:",
		New:   "case o.damage != nil && was.folded != next.folded && next.UserUUID == \"\":",
		Tests: "TestDamaged",
	},
	{
		Name:  "whoever has a handle has a profile that names it",
		File:  "directory/directory.go",
		Old:   "err != nil || p.folded == folded {",
		New:   "err != nil || p.UserUUID == before.user {",
		Tests: "TestDamaged",
	},
	{
		Name:  "letters of two scripts are no handle",
		File:  "directory/script.go",
		Old:   "if !fits {",
		New:   "if !fits && len(with) > 2 {",
		Tests: "TestHandlesThatAreRefused",
	},
	{
		Name:  "what is folded is clear, too",
		File:  "directory/handle.go",
		Old:   "for _, form := range []string{handle, folded} {",
		New:   "for _, form := range []string{handle} {",
		Tests: "TestHandlesThatAreRefused",
	},
	{
		Name:  "an import never replaces newer names",
		File:  "directory/fill.go",
		Old:   "was.damage != nil || was.item != nil && !s.at.After(was.UpdatedAt) {",
		New:   "was.damage != nil {",
		Tests: "TestFillAndRename",
	},
}
