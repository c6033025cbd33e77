"""`python -m tf_ddl.plan`: what would be planned for a cluster, and why; see docs/plans.md."""
