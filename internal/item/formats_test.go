package item_test

import (
	"bufio"
	"go/ast"
	"go/parser"
	"go/token"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestFormatsAreListed compares the file FORMATS with the constants: each one whose
// name is or ends in "format".
func TestFormatsAreListed(t *testing.T) {
	t.Parallel()
	const root = "../.."
	found := map[string]string{}
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		if d.IsDir() && strings.HasPrefix(d.Name(), ".") && path != root {
			return filepath.SkipDir
		}
		if !strings.HasSuffix(path, ".go") || strings.HasSuffix(path, "_test.go") {
			return nil
		}
		folder, err := filepath.Rel(root, filepath.Dir(path))
		if err != nil {
			return err
		}
		numbers, err := formatsIn(path)
		for name, number := range numbers {
			found[filepath.ToSlash(folder)+" "+name] = number
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(found, listed(t, filepath.Join(root, "FORMATS"))); d != "" {
		t.Errorf("the constants (-) and FORMATS (+) disagree:\n%s", d)
	}
}

// formatsIn returns the format numbers that a file defines, by their names.
func formatsIn(path string) (map[string]string, error) {
	file, err := parser.ParseFile(token.NewFileSet(), path, nil, parser.SkipObjectResolution)
	if err != nil {
		return nil, err
	}
	numbers := map[string]string{}
	for _, declaration := range file.Decls {
		constants, ok := declaration.(*ast.GenDecl)
		if !ok || constants.Tok != token.CONST {
			continue
		}
		for _, spec := range constants.Specs {
			maps.Copy(numbers, formatsOf(spec.(*ast.ValueSpec)))
		}
	}
	return numbers, nil
}

func formatsOf(spec *ast.ValueSpec) map[string]string {
	numbers := map[string]string{}
	for i, name := range spec.Names {
		if i >= len(spec.Values) || !strings.HasSuffix(strings.ToLower(name.Name), "format") {
			continue
		}
		if number, ok := spec.Values[i].(*ast.BasicLit); ok && number.Kind == token.INT {
			numbers[name.Name] = number.Value
		}
	}
	return numbers
}

// listed returns the numbers in FORMATS, by the folder and the name of the constant.
func listed(t *testing.T, path string) map[string]string {
	t.Helper()
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	numbers := map[string]string{}
	for lines := bufio.NewScanner(file); lines.Scan(); {
		fields := strings.Fields(lines.Text())
		if strings.HasPrefix(lines.Text(), "#") {
			continue
		}
		if len(fields) != 4 {
			t.Fatalf("FORMATS: %q is not a name, a number, a folder and a constant", lines.Text())
		}
		numbers[fields[2]+" "+fields[3]] = fields[1]
	}
	return numbers
}
