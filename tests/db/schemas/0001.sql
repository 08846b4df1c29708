BEGIN TRANSACTION;
CREATE TABLE alembic_version (
	version_num VARCHAR(32) NOT NULL, 
	CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num)
);
INSERT INTO "alembic_version" VALUES('0001');
CREATE TABLE dependency (
	job_id INTEGER NOT NULL, 
	parent_id INTEGER NOT NULL, 
	any_outcome BOOLEAN NOT NULL, 
	PRIMARY KEY (job_id, parent_id), 
	CONSTRAINT no_self_dependency CHECK (job_id != parent_id), 
	FOREIGN KEY(job_id) REFERENCES job (id) ON DELETE CASCADE, 
	FOREIGN KEY(parent_id) REFERENCES job (id) ON DELETE CASCADE
);
INSERT INTO "dependency" VALUES(2,1,0);
CREATE TABLE event (
	id INTEGER NOT NULL, 
	job_id INTEGER, 
	at FLOAT NOT NULL, 
	attempt INTEGER NOT NULL, 
	kind VARCHAR NOT NULL, 
	message VARCHAR NOT NULL, 
	PRIMARY KEY (id), 
	FOREIGN KEY(job_id) REFERENCES job (id) ON DELETE CASCADE
);
INSERT INTO "event" VALUES(1,1,2.0,0,'started','attempt 1');
CREATE TABLE job (
	id INTEGER NOT NULL PRIMARY KEY AUTOINCREMENT, 
	name VARCHAR NOT NULL, 
	recipe_name VARCHAR NOT NULL, 
	recipe TEXT NOT NULL, 
	data VARCHAR NOT NULL, 
	model VARCHAR NOT NULL, 
	data_hash VARCHAR, 
	unique_key VARCHAR, 
	state VARCHAR NOT NULL, 
	priority INTEGER NOT NULL, 
	position FLOAT NOT NULL, 
	created_at FLOAT NOT NULL, 
	not_before FLOAT, 
	retry_at FLOAT, 
	started_at FLOAT, 
	finished_at FLOAT, 
	cancel_requested INTEGER NOT NULL, 
	pause_requested INTEGER NOT NULL, 
	attempt INTEGER NOT NULL, 
	retries INTEGER NOT NULL, 
	retries_left INTEGER NOT NULL, 
	crashes INTEGER NOT NULL, 
	checkpoint_step INTEGER NOT NULL, 
	fresh BOOLEAN NOT NULL, 
	elapsed_seconds FLOAT NOT NULL, 
	token VARCHAR, 
	worker_id INTEGER, 
	device_wanted VARCHAR NOT NULL, 
	device VARCHAR, 
	pid INTEGER, 
	pid_started FLOAT, 
	stop_stage VARCHAR, 
	run_dir VARCHAR, 
	clf_version VARCHAR NOT NULL, 
	git_commit VARCHAR, 
	phase VARCHAR, 
	message VARCHAR, 
	stage VARCHAR, 
	epoch INTEGER NOT NULL, 
	epochs INTEGER NOT NULL, 
	step INTEGER NOT NULL, 
	steps INTEGER NOT NULL, 
	epoch_step INTEGER NOT NULL, 
	epoch_steps INTEGER NOT NULL, 
	train_loss FLOAT, 
	lr FLOAT, 
	images_per_second FLOAT, 
	eta_seconds FLOAT, 
	memory INTEGER, 
	memory_peak INTEGER, 
	best_accuracy FLOAT, 
	best_epoch INTEGER, 
	best_f1 FLOAT, 
	test_accuracy FLOAT, 
	test_f1 FLOAT, 
	outcome VARCHAR, 
	progress_at FLOAT, 
	failure_kind VARCHAR, 
	failure_message VARCHAR, 
	failure_hint VARCHAR, 
	CONSTRAINT finished_has_time CHECK ((finished_at IS NOT NULL) = (state IN ('succeeded', 'failed', 'cancelled'))), 
	CONSTRAINT running_is_held CHECK (state != 'running' OR (token IS NOT NULL AND worker_id IS NOT NULL)), 
	CONSTRAINT only_failed_has_failure CHECK (state = 'failed' OR failure_kind IS NULL), 
	CONSTRAINT only_running_is_held CHECK (state = 'running' OR token IS NULL), 
	CONSTRAINT state_known CHECK (state IN ('queued', 'running', 'paused', 'succeeded', 'failed', 'cancelled')), 
	CONSTRAINT counts_not_negative CHECK (attempt >= 0 AND retries_left >= 0), 
	CONSTRAINT cancel_flag CHECK (cancel_requested IN (0, 1, 2)), 
	CONSTRAINT pause_flag CHECK (pause_requested IN (0, 1))
);
INSERT INTO "job" VALUES(1,'first','demo','{}','digits','test_resnet',NULL,NULL,'succeeded',0,1.0,1.0,NULL,NULL,2.0,3.0,0,0,1,0,0,0,0,0,0.0,NULL,NULL,'auto',NULL,NULL,NULL,NULL,NULL,'0.1.0',NULL,NULL,NULL,NULL,2,2,0,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL,0.9,NULL,NULL,NULL,NULL,'completed',NULL,NULL,NULL,NULL);
INSERT INTO "job" VALUES(2,'second','demo','{}','digits','test_resnet',NULL,NULL,'queued',0,2.0,1.5,NULL,NULL,NULL,NULL,0,0,0,0,0,0,0,0,0.0,NULL,NULL,'auto',NULL,NULL,NULL,NULL,NULL,'0.1.0',NULL,NULL,NULL,NULL,0,0,0,0,0,0,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL,NULL);
CREATE TABLE metric (
	job_id INTEGER NOT NULL, 
	split VARCHAR NOT NULL, 
	name VARCHAR NOT NULL, 
	step INTEGER NOT NULL, 
	epoch FLOAT NOT NULL, 
	attempt INTEGER NOT NULL, 
	stage VARCHAR NOT NULL, 
	value FLOAT, 
	at FLOAT NOT NULL, 
	PRIMARY KEY (job_id, split, name, step), 
	FOREIGN KEY(job_id) REFERENCES job (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
INSERT INTO "metric" VALUES(1,'val','accuracy',10,1.0,1,'train',0.4,2.1);
INSERT INTO "metric" VALUES(1,'val','accuracy',20,2.0,1,'train',0.8,2.2);
CREATE TABLE sample (
	job_id INTEGER NOT NULL, 
	at FLOAT NOT NULL, 
	allocated INTEGER, 
	reserved INTEGER, 
	peak INTEGER, 
	device_used INTEGER, 
	device_total INTEGER, 
	resident INTEGER, 
	utilization FLOAT, 
	temperature FLOAT, 
	power FLOAT, 
	PRIMARY KEY (job_id, at), 
	FOREIGN KEY(job_id) REFERENCES job (id) ON DELETE CASCADE
)
 WITHOUT ROWID

;
CREATE TABLE setting (
	"key" VARCHAR NOT NULL, 
	value VARCHAR NOT NULL, 
	PRIMARY KEY ("key")
);
INSERT INTO "setting" VALUES('paused','0');
CREATE TABLE worker (
	id INTEGER NOT NULL, 
	device VARCHAR NOT NULL, 
	device_name VARCHAR, 
	pid INTEGER NOT NULL, 
	pid_started FLOAT NOT NULL, 
	boot_id VARCHAR NOT NULL, 
	host VARCHAR NOT NULL, 
	started_at FLOAT NOT NULL, 
	heartbeat_at FLOAT NOT NULL, 
	stopped_at FLOAT, 
	stop_requested INTEGER NOT NULL, 
	device_used INTEGER, 
	device_total INTEGER, 
	utilization FLOAT, 
	temperature FLOAT, 
	power FLOAT, 
	PRIMARY KEY (id)
);
CREATE INDEX job_finished ON job (finished_at, id) WHERE finished_at IS NOT NULL;
CREATE INDEX job_name ON job (name);
CREATE UNIQUE INDEX job_running_device ON job (device) WHERE state = 'running';
CREATE INDEX job_state ON job (state, id);
CREATE INDEX job_unique_key ON job (unique_key);
CREATE INDEX job_claim ON job (priority DESC, position, id) WHERE state = 'queued';
CREATE UNIQUE INDEX worker_device_live ON worker (device) WHERE stopped_at IS NULL;
CREATE INDEX ix_dependency_parent_id ON dependency (parent_id);
CREATE INDEX event_job ON event (job_id, id);
DELETE FROM "sqlite_sequence";
INSERT INTO "sqlite_sequence" VALUES('job',2);
COMMIT;
