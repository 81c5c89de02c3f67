package layering

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	fenced     = regexp.MustCompile("(?s)```.*?```")
	inCode     = regexp.MustCompile("`([^`\n]+)`")
	identifier = regexp.MustCompile(`^(\w+\.)*\w+$`)
)

// docs/architecture.md leads through the code by file and function. Those that it names must be there: a file with
// its directory or beside the one before, a function as Type.function or package.Type.function.
func TestArchitectureNamesWhatIsThere(t *testing.T) {
	text, err := os.ReadFile(filepath.Join("..", "..", "docs", "architecture.md"))
	if err != nil {
		t.Fatal(err)
	}
	declared := declarations(t)
	beside, checked := "", 0
	for _, match := range inCode.FindAllStringSubmatch(fenced.ReplaceAllString(string(text), ""), -1) {
		name := match[1]
		switch {
		case strings.HasSuffix(name, ".go"):
			if strings.Contains(name, "/") {
				beside = filepath.Dir(name)
			} else {
				name = beside + "/" + name
			}
			if _, err := os.Stat(filepath.Join("..", "..", name)); err != nil {
				t.Errorf("%s is not there", name)
			}
		case identifier.MatchString(name) && strings.Contains(name, "."):
			parts := strings.Split(name, ".")
			if !declared[strings.Join(parts[max(0, len(parts)-2):], ".")] {
				t.Errorf("%s is not there", name)
			}
		default:
			continue
		}
		checked++
	}
	if checked < 40 {
		t.Errorf("only %d names were found in the page", checked)
	}
	for name := range rules {
		if name != "internal/layering" && !strings.Contains(string(text), "| `"+name+"` |") {
			t.Errorf("%s has no row in the table of packages", name)
		}
	}
}

// declarations are the methods, as Type.method, and the functions, as package.function.
func declarations(t *testing.T) map[string]bool {
	t.Helper()
	all := map[string]bool{}
	for _, p := range list(t, "linux") {
		for _, name := range p.GoFiles {
			f, err := parser.ParseFile(token.NewFileSet(), filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
			if err != nil {
				t.Fatal(err)
			}
			for _, d := range f.Decls {
				switch d := d.(type) {
				case *ast.FuncDecl:
					all[owner(f, d)+"."+d.Name.Name] = true
				case *ast.GenDecl:
					for _, method := range interfaceMethods(d) {
						all[method] = true
					}
				}
			}
		}
	}
	return all
}

// owner is the type of a method, or the package of a function.
func owner(f *ast.File, fn *ast.FuncDecl) string {
	if fn.Recv == nil {
		return f.Name.Name
	}
	t := fn.Recv.List[0].Type
	if star, ok := t.(*ast.StarExpr); ok {
		t = star.X
	}
	if id, ok := t.(*ast.Ident); ok {
		return id.Name
	}
	return ""
}

func interfaceMethods(d *ast.GenDecl) (names []string) {
	for _, spec := range d.Specs {
		t, ok := spec.(*ast.TypeSpec)
		if !ok {
			continue
		}
		i, ok := t.Type.(*ast.InterfaceType)
		if !ok {
			continue
		}
		for _, m := range i.Methods.List {
			for _, name := range m.Names {
				names = append(names, t.Name.Name+"."+name.Name)
			}
		}
	}
	return names
}
