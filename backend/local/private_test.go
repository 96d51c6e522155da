package local

import (
	"os"
	"path/filepath"
	"testing"
)

// Where no file can be made there is no template, and where none is needed neither.
func TestNoTemplate(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "postroom.db")
	if err := os.WriteFile(file, []byte("1"), privateMode); err != nil {
		t.Fatal(err)
	}
	for path, works := range map[string]bool{
		file: true, filepath.Join(file, "within.db"): false, filepath.Join(dir, "none", "postroom.db"): false,
	} {
		if name, err := template(path); name != "" || (err == nil) != works {
			t.Errorf("template(%s) is %q, %v", path, name, err)
		}
	}
}
