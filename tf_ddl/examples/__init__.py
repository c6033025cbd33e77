"""Programs to start from: `ddlrun -np 2 -m tf_ddl.examples.digits`."""
