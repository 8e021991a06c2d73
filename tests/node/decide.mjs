// What IAM decides: {"cases": [{policies: {name: document}, boundary?, principal, account, action, resource, context}]}
// on stdin; prints "Allowed", "ImplicitlyDenied", "ExplicitlyDenied" or what is wrong with the case, in their order.
import { readFileSync } from "node:fs";
import { runSimulation } from "@cloud-copilot/iam-simulate";

const everything = { Version: "2012-10-17", Statement: [{ Effect: "Allow", Action: "*", Resource: "*" }] };
const named = (policies) => Object.entries(policies).map(([name, policy]) => ({ name, policy }));

const decisions = [];
for (const { policies, boundary, principal, account, action, resource, context } of JSON.parse(readFileSync(0, "utf8")).cases) {
  const answer = await runSimulation({
    identityPolicies: named(policies),
    permissionBoundaryPolicies: boundary && named({ boundary }),
    serviceControlPolicies: [{ orgIdentifier: "organization", policies: named({ everything }) }],
    resourceControlPolicies: [],
    request: {
      principal,
      action,
      resource: { resource, accountId: account },
      contextVariables: { "aws:PrincipalAccount": account, "aws:ResourceAccount": account, ...context },
    },
  }, {});
  decisions.push(answer.resultType === "error" ? answer.errors.message : answer.overallResult);
}
process.stdout.write(JSON.stringify(decisions));
