package main

import (
	"go/ast"
	"go/token"
	"regexp"
)

// find returns every mutant of a file, in the order of its text.
func find(source *file) []*mutant {
	f := &finder{file: source, seen: map[string]int{}}
	for _, decl := range source.syntax.Decls {
		if fn, is := decl.(*ast.FuncDecl); is && fn.Body != nil {
			f.function = fn.Name.Name
			if fn.Recv != nil {
				f.function = f.text(fn.Recv) + f.function
			}
			f.body(fn.Type, fn.Body)
			continue
		}
		f.function = ""
		f.read(decl, nil)
	}
	return f.found
}

// body reads a function.
func (f *finder) body(signature *ast.FuncType, body *ast.BlockStmt) {
	f.statements(body.List, signature)
}

// read walks through everything below a node, which is within a function of the
// signature.
func (f *finder) read(root ast.Node, signature *ast.FuncType) {
	ast.Inspect(root, func(n ast.Node) bool {
		switch n := n.(type) {
		case *ast.FuncLit:
			f.body(n.Type, n.Body)
			return false
		case *ast.BlockStmt:
			f.statements(n.List, signature)
			return false
		case *ast.CaseClause:
			f.caseClause(n, signature)
			return false
		case *ast.CommClause:
			if n.Comm != nil {
				f.alone("case removed", f.text(n.Comm), f.span(n), text(" "))
				f.read(n.Comm, signature)
			}
			f.statements(n.Body, signature)
			return false
		case *ast.CallExpr:
			return !f.isLog(n)
		case *ast.BasicLit:
			f.literal(n)
		case *ast.BinaryExpr:
			f.binary(n)
		case *ast.IfStmt:
			f.condition(n.Cond)
		case *ast.ForStmt:
			if n.Cond != nil {
				f.condition(n.Cond)
			}
		}
		return true
	})
}

// caseClause reads a case of a switch and takes it away.
func (f *finder) caseClause(c *ast.CaseClause, signature *ast.FuncType) {
	if c.List != nil {
		what := f.file.text[f.offset(c.List[0].Pos()):f.offset(c.Colon)]
		f.alone("case removed", what, f.span(c), text(" "))
	}
	for _, e := range c.List {
		f.read(e, signature)
	}
	f.statements(c.Body, signature)
}

// statements reads a list of statements.
func (f *finder) statements(list []ast.Stmt, signature *ast.FuncType) {
	outer := f.statement
	defer func() { f.statement = outer }()
	for i, s := range list {
		switch s.(type) {
		case *ast.CaseClause, *ast.CommClause: // the list is the body of a switch
			f.read(s, signature)
			continue
		}
		f.statement = f.span(s)
		if f.skips(s) {
			continue
		}
		f.drop(s)
		if i+1 < len(list) && !f.skips(list[i+1]) {
			f.swap(s, list[i+1])
		}
		switch s := s.(type) {
		case *ast.ReturnStmt:
			f.returned(s, signature)
		case *ast.BranchStmt:
			f.branch(s)
		}
		f.read(s, signature)
	}
}

var (
	logger = regexp.MustCompile(`(?i)\b(log|logger|slog)\.(Debug|Info|Warn|Error|Log|With)`)
	locks  = regexp.MustCompile(`\.(Lock|Unlock|RLock|RUnlock)$`)
)

// isLog reports whether a call writes into the log: its text is not tested.
func (f *finder) isLog(call *ast.CallExpr) bool { return logger.MatchString(f.text(call.Fun)) }

// skips reports whether a statement is left as it is: one that writes into the log,
// and the locks, which are the race detector's.
func (f *finder) skips(s ast.Stmt) bool {
	var call *ast.CallExpr
	switch s := s.(type) {
	case *ast.ExprStmt:
		call, _ = s.X.(*ast.CallExpr)
	case *ast.DeferStmt:
		call = s.Call
	}
	return call != nil && (f.isLog(call) || locks.MatchString(f.text(call.Fun)))
}

// acts reports whether something happens in a statement beyond giving a name to a
// value, and whether the statement is a call.
func acts(s ast.Stmt) (acts, calls bool) {
	switch s := s.(type) {
	case *ast.ExprStmt, *ast.GoStmt, *ast.SendStmt:
		return true, true
	case *ast.IncDecStmt:
		return true, false
	case *ast.AssignStmt:
		return s.Tok != token.DEFINE, s.Tok != token.DEFINE && blank(s) && hasCall(s)
	case *ast.IfStmt:
		return s.Init != nil && s.Else == nil, hasCall(s)
	}
	return false, false
}

// blank reports whether an assignment keeps nothing.
func blank(s *ast.AssignStmt) bool {
	name, is := s.Lhs[0].(*ast.Ident)
	return is && name.Name == "_" && len(s.Lhs) == 1
}

func hasCall(n ast.Node) (found bool) {
	ast.Inspect(n, func(n ast.Node) bool {
		call, is := n.(*ast.CallExpr)
		if !is {
			return !found
		}
		name, is := call.Fun.(*ast.Ident)
		found = found || !is || name.Obj != nil // no built-in function
		return !found
	})
	return found
}
