package main

import (
	"go/ast"
	"go/token"
)

// drop leaves a statement out.
func (f *finder) drop(s ast.Stmt) {
	what := f.text(s)
	switch s := s.(type) {
	case *ast.AssignStmt:
		if s.Tok == token.DEFINE || blank(s) && !hasCall(s) {
			return
		}
	case *ast.IfStmt:
		if s.Else != nil {
			return
		}
		what = "if " + f.file.text[f.offset(s.If)+len("if "):f.offset(s.Body.Lbrace)]
	case *ast.ExprStmt, *ast.IncDecStmt, *ast.SendStmt, *ast.DeferStmt, *ast.GoStmt, *ast.ReturnStmt, *ast.BranchStmt:
	default:
		return
	}
	f.add("dropped", what, f.span(s), text("if !"+active+" {\n"), f.source(s), text("\n}"))
}

// swap changes the order of two statements.
func (f *finder) swap(a, b ast.Stmt) {
	acts1, calls1 := acts(a)
	acts2, calls2 := acts(b)
	if !acts1 || !acts2 || !calls1 && !calls2 {
		return
	}
	f.add("swapped", f.text(a)+" ⇄ "+f.text(b), span{f.span(a).from, f.span(b).to},
		text("if "+active+" {\n"), f.source(b), text("\n"), f.source(a),
		text("\n} else {\n"), f.source(a), text("\n"), f.source(b), text("\n}"))
}

// returned has a function return no error where it returns one.
func (f *finder) returned(s *ast.ReturnStmt, signature *ast.FuncType) {
	if signature == nil || signature.Results == nil || len(s.Results) == 0 {
		return
	}
	results := signature.Results.List
	if name, is := results[len(results)-1].Type.(*ast.Ident); !is || name.Name != "error" ||
		len(s.Results) != signature.Results.NumFields() {
		return
	}
	last := s.Results[len(s.Results)-1]
	if name, is := last.(*ast.Ident); is && name.Name == "nil" {
		return
	}
	var first string
	if len(s.Results) > 1 {
		first = f.file.text[f.offset(s.Results[0].Pos()):f.offset(last.Pos())]
	}
	f.add("nil error", f.text(s), f.span(s),
		text("if "+active+" {\n_ = "), f.source(last), text("\nreturn "+first+"nil\n}\n"), f.source(s))
}

// branch makes a break of a continue, and the other way round.
func (f *finder) branch(s *ast.BranchStmt) {
	other := map[token.Token]string{token.BREAK: "continue", token.CONTINUE: "break"}[s.Tok]
	if other == "" {
		return
	}
	if s.Label != nil {
		other += " " + s.Label.Name
	}
	f.add("branch", f.text(s)+" → "+other, f.span(s),
		text("if "+active+" {\n"+other+"\n} else {\n"), f.source(s), text("\n}"))
}

// condition makes the opposite of a condition.
func (f *finder) condition(e ast.Expr) {
	if paren, is := e.(*ast.ParenExpr); is {
		e = paren.X
	}
	if b, is := e.(*ast.BinaryExpr); is && (b.Op == token.EQL || b.Op == token.NEQ) {
		return // its operator is changed
	}
	f.add("negated", f.text(e), f.span(e), text("("+active+" != ("), f.source(e), text("))"))
}

// binary changes the operator of an expression.
func (f *finder) binary(e *ast.BinaryExpr) {
	other := map[token.Token]token.Token{
		token.LAND: token.LOR, token.LOR: token.LAND,
		token.LSS: token.LEQ, token.LEQ: token.LSS, token.GTR: token.GEQ, token.GEQ: token.GTR,
		token.EQL: token.NEQ, token.NEQ: token.EQL,
		token.ADD: token.SUB, token.SUB: token.ADD,
	}[e.Op]
	what := f.text(e.X) + " " + e.Op.String() + " → " + other.String() + " " + f.text(e.Y)
	x, y := f.source(e.X), f.source(e.Y)
	switch e.Op {
	case token.LAND, token.LOR:
		for _, operand := range []ast.Expr{e.X, e.Y} {
			if b, is := operand.(*ast.BinaryExpr); !is || b.Op != token.LAND && b.Op != token.LOR {
				f.condition(operand)
			}
		}
		fallthrough
	case token.LSS, token.LEQ, token.GTR, token.GEQ:
		f.add("operator", what, f.span(e),
			text("("+active+" && ("), x, text(other.String()), y, text(") || !"+active+" && ("),
			x, text(e.Op.String()), y, text("))"))
	case token.EQL, token.NEQ:
		f.add("operator", what, f.span(e), text("("+active+" != ("), f.source(e), text("))"))
	case token.ADD, token.SUB:
		f.alone("operator", what, f.span(e), x, text(other.String()), y)
	}
}

// literal makes an integer larger and smaller by one.
func (f *finder) literal(n *ast.BasicLit) {
	if n.Kind != token.INT {
		return
	}
	for _, by := range []string{"+1", "-1"} {
		f.alone("off by one", n.Value+" → "+n.Value+by, f.span(n), text("("+n.Value+by+")"))
	}
}
