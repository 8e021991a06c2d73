"""The IAM actions that CloudFormation needs to make, change and delete resources of each type.

CloudFormation's registry publishes them with every resource type, by handler. cfn-lint, which is pinned, carries the
registry's schemas. A handler's list is of all that a type can do, so actions that serve a property are needed only
where a resource has the property.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import cfnlint
from cfnlint.schema.manager import ProviderSchemaManager

from tests.contract.transformed import REGION

# `list` serves CloudFormation's scans of an account, and no stack.
HANDLERS = ("create", "read", "update", "delete")

# Type → property → the actions that only a resource with that property needs. An empty property: nothing of ours can
# need them; the reason stands beside them.
ONLY_WITH: Mapping[str, Mapping[str, set[str]]] = {
    "AWS::ApiGateway::RestApi": {
        "BodyS3Location": {"s3:GetObject"},
        "Policy": {"apigateway:UpdateRestApiPolicy"},
        "": {"iam:PassRole"},  # for integrations with other services than functions
    },
    "AWS::CloudFormation::Stack": {
        "EnableTerminationProtection": {"cloudformation:UpdateTerminationProtection"},
        "RoleARN": {"iam:PassRole"},  # without it, a nested stack has the role of its parent
        "StackPolicyBody": {"cloudformation:SetStackPolicy"},
    },
    "AWS::DynamoDB::Table": {
        "ContributorInsightsSpecification": {"dynamodb:UpdateContributorInsights", "iam:CreateServiceLinkedRole"},
        "ImportSourceSpecification": {
            "dynamodb:DescribeImport",
            "dynamodb:ImportTable",
            "logs:CreateLogGroup",
            "logs:CreateLogStream",
            "logs:DescribeLogGroups",
            "logs:DescribeLogStreams",
            "logs:PutLogEvents",
            "logs:PutRetentionPolicy",
            "s3:GetObject",
            "s3:GetObjectMetadata",
            "s3:ListBucket",
        },
        "KinesisStreamSpecification": {
            "dynamodb:DisableKinesisStreamingDestination",
            "dynamodb:EnableKinesisStreamingDestination",
            "dynamodb:UpdateKinesisStreamingDestination",
            "iam:CreateServiceLinkedRole",
            "kinesis:DescribeStream",
            "kinesis:PutRecords",
        },
        "ResourcePolicy": {"dynamodb:DeleteResourcePolicy", "dynamodb:PutResourcePolicy"},
        "SSESpecification": {
            "kms:CreateGrant",
            "kms:Decrypt",
            "kms:DescribeKey",
            "kms:Encrypt",
            "kms:ListAliases",
            "kms:RevokeGrant",
        },
        "": {  # replicas of global tables, which are another type
            "dynamodb:AssociateTableReplica",
            "dynamodb:BatchWriteItem",
            "dynamodb:CreateTableReplica",
            "dynamodb:DeleteItem",
            "dynamodb:GetItem",
            "dynamodb:PutItem",
            "dynamodb:Query",
            "dynamodb:Scan",
            "dynamodb:UpdateItem",
        },
    },
    "AWS::SNS::Topic": {"DataProtectionPolicy": {"sns:PutDataProtectionPolicy"}},
    "AWS::Events::EventBus": {
        "KmsKeyIdentifier": {
            "kms:Decrypt",
            "kms:DescribeKey",
            "kms:Encrypt",
            "kms:GenerateDataKey",
            "kms:GenerateDataKeyWithoutPlaintext",
            "kms:ReEncrypt",
            "kms:ReEncryptFrom",
            "kms:ReEncryptTo",
        },
        "Policy": {"events:PutPermission", "events:RemovePermission"},
    },
    "AWS::Events::Rule": {"RoleArn": {"iam:PassRole"}},
    "AWS::IAM::Role": {
        "ManagedPolicyArns": {"iam:AttachRolePolicy", "iam:DetachRolePolicy"},
        "PermissionsBoundary": {"iam:PutRolePermissionsBoundary"},
        "": {"iam:DeleteRolePermissionsBoundary"},  # a role that has a boundary keeps it
    },
    "AWS::Lambda::Alias": {
        "ProvisionedConcurrencyConfig": {
            "lambda:DeleteProvisionedConcurrencyConfig",
            "lambda:PutProvisionedConcurrencyConfig",
        },
        "": {  # gradual deployments, which are an update policy of ours that there is not
            "codedeploy:CreateDeployment",
            "codedeploy:GetDeployment",
            "codedeploy:GetDeploymentConfig",
            "codedeploy:GetDeploymentGroup",
            "codedeploy:StopDeployment",
        },
    },
    "AWS::Lambda::EventSourceMapping": {"KmsKeyArn": {"kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"}},
    "AWS::Lambda::Function": {
        "CapacityProviderConfig": {"lambda:PassCapacityProvider"},
        "CodeSigningConfigArn": {
            "lambda:DeleteFunctionCodeSigningConfig",
            "lambda:GetCodeSigningConfig",
            "lambda:PutFunctionCodeSigningConfig",
        },
        "FileSystemConfigs": {"elasticfilesystem:DescribeMountTargets", "s3files:ListMountTargets"},
        "FunctionScalingConfig": {"lambda:PutFunctionScalingConfig"},
        "KmsKeyArn": {"kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:Encrypt", "kms:GenerateDataKey"},
        "PublishToLatestPublished": {"lambda:PublishVersion"},
        "RecursiveLoop": {"lambda:PutFunctionRecursionConfig"},
        "ReservedConcurrentExecutions": {"lambda:DeleteFunctionConcurrency", "lambda:PutFunctionConcurrency"},
        "RuntimeManagementConfig": {"lambda:PutRuntimeManagementConfig"},
        "VpcConfig": {
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSecurityGroups",
            "ec2:DescribeSubnets",
            "ec2:DescribeVpcs",
        },
    },
    "AWS::Lambda::Version": {
        "FunctionScalingConfig": {"lambda:PutFunctionScalingConfig"},
        "ProvisionedConcurrencyConfig": {"lambda:PutProvisionedConcurrencyConfig"},
        "RuntimePolicy": {"lambda:PutRuntimeManagementConfig"},
    },
    "AWS::Logs::LogGroup": {
        "BearerTokenAuthenticationEnabled": {"logs:PutBearerTokenAuthentication"},
        "DataProtectionPolicy": {"logs:DeleteDataProtectionPolicy", "logs:PutDataProtectionPolicy"},
        "DeletionProtectionEnabled": {"logs:PutLogGroupDeletionProtection"},
        "FieldIndexPolicies": {"logs:DeleteIndexPolicy", "logs:PutIndexPolicy"},
        "KmsKeyId": {"logs:AssociateKmsKey", "logs:DisassociateKmsKey"},
        "LogGroupClass": {"firehose:TagDeliveryStream", "logs:CreateLogDelivery", "s3:REST.PUT.OBJECT"},
        "ResourcePolicyDocument": {"logs:DeleteResourcePolicy", "logs:PutResourcePolicy"},
        "RetentionInDays": {"logs:DeleteRetentionPolicy", "logs:PutRetentionPolicy"},
    },
    "AWS::S3::Bucket": {
        "AbacStatus": {"s3:PutBucketAbac"},
        "AccelerateConfiguration": {"s3:PutAccelerateConfiguration"},
        "AccessControl": {"s3:GetBucketAcl", "s3:PutBucketAcl", "s3:PutObjectAcl"},
        "AnalyticsConfigurations": {"s3:DeleteBucketAnalyticsConfiguration", "s3:PutAnalyticsConfiguration"},
        "BucketEncryption": {"s3:DeleteBucketEncryption", "s3:PutEncryptionConfiguration"},
        "CorsConfiguration": {"s3:DeleteBucketCors", "s3:PutBucketCORS"},
        "IntelligentTieringConfigurations": {"s3:PutIntelligentTieringConfiguration"},
        "InventoryConfigurations": {"s3:PutInventoryConfiguration"},
        "LifecycleConfiguration": {"s3:DeleteBucketLifecycle", "s3:PutLifecycleConfiguration"},
        "LoggingConfiguration": {"s3:PutBucketLogging"},
        "MetadataConfiguration": {
            "s3:CreateBucketMetadataTableConfiguration",
            "s3:DeleteBucketMetadataTableConfiguration",
            "s3:UpdateBucketMetadataAnnotationTableConfiguration",
            "s3:UpdateBucketMetadataInventoryTableConfiguration",
            "s3:UpdateBucketMetadataJournalTableConfiguration",
            "s3tables:CreateNamespace",
            "s3tables:CreateTable",
            "s3tables:CreateTableBucket",
            "s3tables:GetTable",
            "s3tables:GetTableMetadataLocation",
            "s3tables:PutTableBucketPolicy",
            "s3tables:PutTableEncryption",
            "s3tables:PutTablePolicy",
            "s3tables:UpdateTableMetadataLocation",
        },
        "MetricsConfigurations": {"s3:DeleteBucketMetricsConfiguration", "s3:PutMetricsConfiguration"},
        "NotificationConfiguration": {"s3:PutBucketNotification"},
        "ObjectLockConfiguration": {"s3:PutBucketObjectLockConfiguration", "s3:PutObjectLockConfiguration"},
        "OwnershipControls": {"s3:PutBucketOwnershipControls"},
        "PublicAccessBlockConfiguration": {"s3:PutBucketPublicAccessBlock"},
        "ReplicationConfiguration": {
            "iam:PassRole",
            "s3:DeleteBucketReplication",
            "s3:PutBucketReplication",
            "s3:PutReplicationConfiguration",
        },
        "VersioningConfiguration": {"s3:PutBucketVersioning"},
        "WebsiteConfiguration": {"s3:DeleteBucketWebsite", "s3:PutBucketWebsite"},
        "": {"s3:DeleteObject"},  # its own test object, where it changes object lock
    },
    "AWS::SecretsManager::Secret": {
        "ReplicaRegions": {
            "secretsmanager:RemoveRegionsFromReplication",
            "secretsmanager:ReplicateSecretToRegions",
        },
    },
    "AWS::StepFunctions::StateMachine": {
        "EncryptionConfiguration": {"kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"},
    },
}

# Names in the schemas that are names of calls and of no IAM action; the action that stands for them is needed as well.
NO_ACTIONS = {
    "S3:GetBucketWebsite": "s3:GetBucketWebsite",
    "s3:DeleteBucketAnalyticsConfiguration": "s3:PutAnalyticsConfiguration",
    "s3:DeleteBucketCors": "s3:PutBucketCORS",
    "s3:DeleteBucketEncryption": "s3:PutEncryptionConfiguration",
    "s3:DeleteBucketLifecycle": "s3:PutLifecycleConfiguration",
    "s3:DeleteBucketMetricsConfiguration": "s3:PutMetricsConfiguration",
    "s3:DeleteBucketTagging": "s3:PutBucketTagging",
}


def needed(template: Mapping[str, Any], handlers: Collection[str] = HANDLERS) -> dict[str, set[str]]:
    """The actions that CloudFormation needs for the resources of a transformed template, with the types that do."""
    actions: dict[str, set[str]] = {}
    for kind, properties in _properties_by_type(template["Resources"].values()).items():
        serving = ONLY_WITH.get(kind, {})
        used = {action for name in serving.keys() & properties for action in serving[name]}
        unused = {action for name in serving.keys() - properties for action in serving[name]}
        for action in permissions(kind, tuple(handlers)) - (unused - used):
            actions.setdefault(NO_ACTIONS.get(action, action), set()).add(kind)
    return actions


@cache
def permissions(kind: str, names: tuple[str, ...] = HANDLERS) -> frozenset[str]:
    """All that handlers of a type may ever call."""
    schema = _schemas().get_resource_schema(REGION, kind).schema
    handlers = schema.get("handlers", {})
    assert set(names) & set(handlers), f"the registry says nothing of the handlers of {kind}"
    called = {action for name in names for action in handlers.get(name, {}).get("permissions", ())}
    # Where a whole stack gets a tag or loses one, that is an update.
    tagging = schema.get("tagging", {}).get("permissions", ()) if "update" in names else ()
    return frozenset(called | set(tagging))


@cache
def _schemas() -> ProviderSchemaManager:
    """Those of the pinned package, and not what somebody's cache may hold."""
    data = Path(cfnlint.__file__).parent / "data" / "schemas"
    return ProviderSchemaManager(data / "providers", data / "resources")


def _properties_by_type(resources: Iterable[Mapping[str, Any]]) -> dict[str, set[str]]:
    used: dict[str, set[str]] = {}
    for resource in resources:
        used.setdefault(resource["Type"], set()).update(resource.get("Properties", {}))
    return used
