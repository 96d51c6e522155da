package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/importer"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// A file is a source of the program that is tested.
type file struct {
	path   string // in the repository
	pkg    *pkg
	text   string
	set    *token.FileSet
	syntax *ast.File
}

// A pkg is a package whose sources are changed.
type pkg struct {
	path  string
	name  string
	dir   string
	files []*file
	// rest imports the packages that this one imports.
	rest types.Importer
}

// listed is what go list says of a package.
type listed struct {
	ImportPath, Name, Dir, Export      string
	GoFiles, TestGoFiles, XTestGoFiles []string
	Deps, TestImports, XTestImports    []string
	DepOnly                            bool
}

// list runs go list in root.
func list(ctx context.Context, root string, args ...string) ([]listed, error) {
	cmd := exec.CommandContext(ctx, "go", append([]string{"list", "-json=ImportPath,Name,Dir,Export,GoFiles,TestGoFiles,XTestGoFiles,Deps,TestImports,XTestImports,DepOnly"}, args...)...)
	cmd.Dir = root
	cmd.Stderr = os.Stderr
	out, err := cmd.Output()
	if err != nil {
		return nil, fmt.Errorf("go list: %w", err)
	}
	var all []listed
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var l listed
		if err := d.Decode(&l); errors.Is(err, io.EOF) {
			return all, nil
		} else if err != nil {
			return nil, err
		}
		all = append(all, l)
	}
}

// load reads the packages whose sources are changed.
func load(ctx context.Context, root string, patterns []string) ([]*pkg, error) {
	all, err := list(ctx, root, append([]string{"-export", "-deps"}, patterns...)...)
	if err != nil {
		return nil, err
	}
	exports := map[string]string{}
	for _, l := range all {
		exports[l.ImportPath] = l.Export
	}
	var pkgs []*pkg
	for _, l := range all {
		if l.DepOnly {
			continue
		}
		p := &pkg{path: l.ImportPath, name: l.Name, dir: l.Dir}
		p.rest = importer.ForCompiler(token.NewFileSet(), "gc", func(path string) (io.ReadCloser, error) {
			return os.Open(exports[path])
		})
		for _, name := range l.GoFiles {
			f, err := read(root, filepath.Join(l.Dir, name))
			if err != nil {
				return nil, err
			}
			f.pkg = p
			p.files = append(p.files, f)
		}
		pkgs = append(pkgs, p)
	}
	slices.SortFunc(pkgs, func(a, b *pkg) int { return strings.Compare(a.path, b.path) })
	return pkgs, nil
}

func read(root, path string) (*file, error) {
	source, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	root, err = filepath.Abs(root)
	if err != nil {
		return nil, err
	}
	f := &file{text: string(source), set: token.NewFileSet()}
	if f.path, err = filepath.Rel(root, path); err != nil {
		return nil, err
	}
	f.syntax, err = parser.ParseFile(f.set, path, source, parser.SkipObjectResolution)
	return f, err
}

// viable reports whether a mutant compiles.
func (m *mutant) viable() bool {
	set := token.NewFileSet()
	var files []*ast.File
	for _, f := range m.file.pkg.files {
		source := f.text
		if f == m.file {
			source = render(f, []*mutant{m})
		}
		syntax, err := parser.ParseFile(set, f.path, source, parser.SkipObjectResolution)
		if err != nil {
			return false
		}
		files = append(files, syntax)
	}
	help, err := parser.ParseFile(set, helper, fmt.Sprintf(helperText, m.file.pkg.name), parser.SkipObjectResolution)
	if err != nil {
		panic(err) // the text is ours
	}
	config := types.Config{Importer: m.file.pkg.rest, Error: func(error) {}}
	_, err = config.Check(m.file.pkg.path, set, append(files, help), nil)
	return err == nil
}
