package rules

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Switch is the variable of the environment that names the rule that a program made with
// [Switched] lacks.
const Switch = "POSTROOM_MUTANT"

// switchFile is what each package gets in addition whose rules can be switched off.
const switchFile = "switched_off.go"

const switchText = "package %s\n\nimport \"os\"\n\nvar switchedOff = os.Getenv(%q)\n"

// Switched writes sources into a folder from which one program is made that has all of
// the rules, and lacks the one that [Switch] names: making a program takes longer than
// most tests. It returns the argument of go build -overlay, and the rules that need a
// program of their own, since they are not in the body of a plain function.
//
// A function with rules in it begins with a look at what is switched off, and goes over
// to a copy of itself without that rule.
func Switched(all []Rule, root, folder string) (overlay string, apart []Rule, err error) {
	replace := map[string]string{}
	write := func(path, text string) error {
		replace[path] = filepath.Join(folder, fmt.Sprintf("%d.go", len(replace)))
		return os.WriteFile(replace[path], []byte(text), 0o600)
	}
	files := map[string][]Rule{}
	for _, r := range all {
		files[r.File] = append(files[r.File], r)
	}
	for name, rules := range files {
		path, err := filepath.Abs(filepath.Join(root, name))
		if err != nil {
			return "", nil, err
		}
		f, err := parseSwitched(path)
		if err != nil {
			return "", nil, err
		}
		for _, r := range rules {
			if !f.add(r) {
				apart = append(apart, r)
			}
		}
		if err := write(path, f.render()); err != nil {
			return "", nil, err
		}
		if help := filepath.Join(filepath.Dir(path), switchFile); replace[help] == "" {
			if err := write(help, fmt.Sprintf(switchText, f.syntax.Name.Name, Switch)); err != nil {
				return "", nil, err
			}
		}
	}
	description, err := json.Marshal(map[string]any{"Replace": replace})
	if err != nil {
		return "", nil, err
	}
	overlay = filepath.Join(folder, "overlay.json")
	return overlay, apart, os.WriteFile(overlay, description, 0o600)
}

// switched is a source with copies of its functions.
type switched struct {
	text   string
	set    *token.FileSet
	syntax *ast.File
	looks  map[*ast.FuncDecl]string // what the functions begin with
	copies strings.Builder
	n      int
}

func parseSwitched(path string) (*switched, error) {
	text, err := os.ReadFile(path)
	if err != nil {
		return nil, err
	}
	f := &switched{text: string(text), set: token.NewFileSet(), looks: map[*ast.FuncDecl]string{}}
	f.syntax, err = parser.ParseFile(f.set, path, text, parser.SkipObjectResolution)
	return f, err
}

func (f *switched) at(p token.Pos) int { return f.set.Position(p).Offset }

// add adds the copy of a function that lacks a rule, and reports whether it could.
func (f *switched) add(r Rule) bool {
	from := strings.Index(f.text, r.Old)
	if from < 0 || bytes.Count([]byte(f.text), []byte(r.Old)) != 1 {
		return false // trying it alone says so
	}
	to := from + len(r.Old)
	i := slices.IndexFunc(f.syntax.Decls, func(d ast.Decl) bool {
		fn, ok := d.(*ast.FuncDecl)
		return ok && fn.Body != nil && f.at(fn.Body.Lbrace) < from && to <= f.at(fn.Body.Rbrace)
	})
	if i < 0 {
		return false
	}
	fn := f.syntax.Decls[i].(*ast.FuncDecl)
	call, ok := callOf(fn)
	if !ok {
		return false
	}
	f.n++
	name := fmt.Sprintf("%sSwitched%d", fn.Name.Name, f.n)
	call = strings.Replace(call, fn.Name.Name+"(", name+"(", 1)
	if fn.Type.Results != nil {
		call = "return " + call
	} else {
		call += "\n\t\treturn"
	}
	f.looks[fn] += fmt.Sprintf("\n\tif switchedOff == %q {\n\t\t%s\n\t}", r.Name, call)
	f.copies.WriteString("\n" + f.text[f.at(fn.Pos()):f.at(fn.Name.Pos())] + name + f.text[f.at(fn.Name.End()):from] +
		r.New + f.text[to:f.at(fn.End())] + "\n")
	return true
}

// callOf is the call of a function by itself with its own arguments; false: it cannot
// be made, since it has parameters without names, or of types.
func callOf(fn *ast.FuncDecl) (string, bool) {
	call := fn.Name.Name + "("
	if fn.Type.TypeParams != nil || fn.Name.Name == "init" || fn.Name.Name == "main" {
		return "", false
	}
	if fn.Recv != nil {
		receiver := fn.Recv.List[0]
		of := receiver.Type
		if star, ok := of.(*ast.StarExpr); ok {
			of = star.X
		}
		if _, plain := of.(*ast.Ident); !plain || len(receiver.Names) == 0 || receiver.Names[0].Name == "_" {
			return "", false
		}
		call = receiver.Names[0].Name + "." + call
	}
	var args []string
	for _, p := range fn.Type.Params.List {
		if len(p.Names) == 0 {
			return "", false
		}
		for _, name := range p.Names {
			arg := name.Name
			if _, variadic := p.Type.(*ast.Ellipsis); variadic {
				arg += "..."
			}
			if name.Name == "_" {
				return "", false
			}
			args = append(args, arg)
		}
	}
	return call + strings.Join(args, ", ") + ")", true
}

func (f *switched) render() string {
	var b strings.Builder
	at := 0
	for _, d := range f.syntax.Decls {
		if fn, ok := d.(*ast.FuncDecl); ok && f.looks[fn] != "" {
			begin := f.at(fn.Body.Lbrace) + 1
			b.WriteString(f.text[at:begin] + f.looks[fn] + "\n")
			at = begin
		}
	}
	b.WriteString(f.text[at:])
	return b.String() + f.copies.String()
}
