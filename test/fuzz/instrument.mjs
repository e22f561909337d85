/** Source files with a counter in every branch, and with what they compare told to the fuzzer: an esbuild plugin. */
import { readFile } from 'node:fs/promises';
import { relative } from 'node:path';
import ts from 'typescript';

const { factory } = ts;
const TOP = 'const __hits = globalThis.__fuzz.hits, __same = globalThis.__fuzz.same;\n';
const LAZY = [
  ts.SyntaxKind.AmpersandAmpersandToken,
  ts.SyntaxKind.BarBarToken,
  ts.SyntaxKind.QuestionQuestionToken,
];
const EQUAL = [ts.SyntaxKind.EqualsEqualsEqualsToken, ts.SyntaxKind.ExclamationEqualsEqualsToken];

/** The plugin; `told` gets, after the build, the number of counters and the literals of each directory of `root`. */
export function instrumenting(root, told) {
  told.counters = 0;
  told.literals = {};
  return {
    name: 'instrument',
    setup(build) {
      build.onLoad({ filter: /\.ts$/ }, async ({ path }) => {
        const file = relative(root, path);
        if (file.startsWith('..')) return;
        const room = file.split('/')[0];
        told.literals[room] ??= [];
        const literals = told.literals[room];
        const { outputText } = ts.transpileModule(await readFile(path, 'utf8'), {
          compilerOptions: {
            target: ts.ScriptTarget.ES2022,
            module: ts.ModuleKind.ESNext,
            verbatimModuleSyntax: true,
          },
          transformers: { before: [(context) => (tree) => counted(tree, context, told, literals)] },
        });
        return { contents: TOP + outputText, loader: 'js' };
      });
    },
  };
}

/** Of a function or of a loop. */
function isBody(node) {
  return ts.isBlock(node) && (ts.isFunctionLike(node.parent) || ts.isIterationStatement(node.parent, false));
}

function counted(tree, context, told, literals) {
  const count = () =>
    factory.createPostfixIncrement(
      factory.createElementAccessExpression(factory.createIdentifier('__hits'), told.counters++),
    );
  const statement = () => factory.createExpressionStatement(count());
  const block = (body) =>
    factory.createBlock([statement(), ...(ts.isBlock(body) ? body.statements : [body])], true);
  const value = (body) => factory.createParenthesizedExpression(factory.createComma(count(), body));

  function visit(given) {
    if (ts.isImportDeclaration(given) || ts.isTypeNode(given)) return given;
    if (ts.isStringLiteral(given) || ts.isNumericLiteral(given)) literals.push(given.text);
    const node = ts.visitEachChild(given, visit, context);
    if (ts.isIfStatement(node)) return branches(node);
    if (ts.isConditionalExpression(node)) return conditional(node);
    if (ts.isCaseOrDefaultClause(node)) return clause(node);
    if (ts.isBinaryExpression(node)) return binary(node);
    if (ts.isArrowFunction(node) && !ts.isBlock(node.body)) return arrow(node);
    return isBody(given) ? block(node) : node;
  }

  function branches(node) {
    const other = node.elseStatement ?? factory.createBlock([]);
    return factory.updateIfStatement(node, node.expression, block(node.thenStatement), block(other));
  }

  function conditional({ condition, questionToken, whenTrue, colonToken, whenFalse }) {
    const [one, other] = [value(whenTrue), value(whenFalse)];
    return factory.createConditionalExpression(condition, questionToken, one, colonToken, other);
  }

  function clause(node) {
    const statements = [statement(), ...node.statements];
    return ts.isCaseClause(node)
      ? factory.updateCaseClause(node, node.expression, statements)
      : factory.updateDefaultClause(node, statements);
  }

  function arrow(node) {
    const { modifiers, typeParameters, parameters, type, equalsGreaterThanToken, body } = node;
    const [sign, counting] = [equalsGreaterThanToken, value(body)];
    return factory.updateArrowFunction(node, modifiers, typeParameters, parameters, type, sign, counting);
  }

  function binary(node) {
    const { kind } = node.operatorToken;
    if (LAZY.includes(kind))
      return factory.updateBinaryExpression(node, node.left, node.operatorToken, value(node.right));
    if (!EQUAL.includes(kind)) return node;
    const same = factory.createCallExpression(factory.createIdentifier('__same'), undefined, [
      node.left,
      node.right,
    ]);
    return kind === ts.SyntaxKind.EqualsEqualsEqualsToken ? same : factory.createLogicalNot(same);
  }
  return ts.visitEachChild(tree, visit, context);
}
