"""A Spark job: scores pairs from Parquet and keeps the best text of each query.

pip install 'nearsort[spark]'
usage: spark_job.py PAIRS.parquet OUTPUT_FOLDER    PAIRS: columns query and text
"""

import sys

from pyspark.sql import SparkSession, Window
from pyspark.sql import functions as f

from nearsort.batch import Config
from nearsort.integrations import spark as nearsort_spark

source, output = sys.argv[1:]
session = SparkSession.builder.appName("nearsort").getOrCreate()
pairs = session.read.parquet(source).select("query", "text")
scored = nearsort_spark.score(pairs, Config(precision="i8"))
of_query = Window.partitionBy("query").orderBy(f.desc_nulls_last("score"), "text")
scored.withColumn("rank", f.row_number().over(of_query)).where("rank = 1").drop("rank").write.parquet(output)
